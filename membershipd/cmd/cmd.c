#include "membershipd/cmd/cmd.h"

#include <stdio.h>

bool md_cmd_parse(const struct md_cmd_parse *p, size_t *ret_operands, int *ret_exit)
{
	ub_err err =
		options_parse(p->rows, p->args, p->to, p->operands, p->max_operands, ret_operands);

	if (!err)
		return true;
	*ret_exit = MD_EXIT_USAGE;
	if (err == UNIBUS_ERR_CANCELLED) {
		(void)printf("%s\n\noptions:\n", p->about);
		options_help(p->rows);
		*ret_exit = MD_EXIT_OK;
	}
	return false;
}
