#include "cli/cli.h"

/* What a shell script offers comes from the tables of commands, so it cannot fall behind them. A
 * placeholder says what a value is: FILE and DIR are paths, lower-case words with bars between them
 * are the choices, anything else is for the user to know. */

static const struct opt_row rows[] = {{0}};

/* The functions around the table; they find the command, the option or the operand at the cursor.
 */
static const char bash_head[] =
	"# bash completion of unibus, as printed by: unibus completion bash\n"
	"# shellcheck shell=bash\n"
	"\n"
	"# What may follow command $1: its subcommands, its options (each with its value, - for\n"
	"# none) and its operands.\n"
	"_unibus_row()\n"
	"{\n"
	"\twords='' options='' operands=''\n"
	"\tcase $1 in\n";
static const char bash_tail[] =
	"\tesac\n"
	"}\n"
	"\n"
	"# The value of option $1 of the row at hand.\n"
	"_unibus_kind()\n"
	"{\n"
	"\tlocal pair\n"
	"\n"
	"\tkind=''\n"
	"\twhile read -r -a pair; do\n"
	"\t\t[[ ${pair[0]} == \"$1\" && ${pair[1]} != - ]] && kind=${pair[1]}\n"
	"\tdone <<<\"$options\"\n"
	"}\n"
	"\n"
	"_unibus_offer()\n"
	"{\n"
	"\tcase $1 in\n"
	"\tFILE*)\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\t\t;;\n"
	"\tDIR*)\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
	"\t\t;;\n"
	"\t*[A-Z]* | '') ;;\n"
	"\t*) mapfile -t COMPREPLY < <(compgen -W \"${1//|/ }\" -- \"$cur\") ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_unibus()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} cmd='' kind='' words options operands word i n=0\n"
	"\tlocal -a names\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\t_unibus_row ''\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif [[ -n $words ]]; then\n"
	"\t\t\tcmd=${cmd:+$cmd }$word\n"
	"\t\t\t_unibus_row \"$cmd\"\n"
	"\t\telif [[ -n $kind ]]; then\n"
	"\t\t\t[[ $word == = ]] || kind=''\n"
	"\t\telif [[ $word == --* ]]; then\n"
	"\t\t\t_unibus_kind \"$word\"\n"
	"\t\telse\n"
	"\t\t\tn=$((n + 1))\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t[[ $cur != = ]] || cur=''\n"
	"\tif [[ -n $kind ]]; then\n"
	"\t\t_unibus_offer \"$kind\"\n"
	"\telif [[ $cur == -* ]]; then\n"
	"\t\tmapfile -t names < <(cut -d ' ' -f 1 <<<\"$options\")\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"${names[*]} --help\" -- \"$cur\")\n"
	"\telif [[ -n $words ]]; then\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"\telse\n"
	"\t\tread -r -a names <<<\"$operands\"\n"
	"\t\t_unibus_offer \"${names[n]:-}\"\n"
	"\tfi\n"
	"}\n"
	"complete -F _unibus unibus\n";

static const char zsh_head[] =
	"#compdef unibus\n"
	"# zsh completion of unibus, as printed by: unibus completion zsh\n"
	"\n"
	"# What may follow command $1: its subcommands, or its options and operands.\n"
	"_unibus_row()\n"
	"{\n"
	"\tcommands=() specs=()\n"
	"\tcase $1 in\n";
static const char zsh_tail[] =
	"\tesac\n"
	"}\n"
	"\n"
	"_unibus()\n"
	"{\n"
	"\tlocal cmd= i=2\n"
	"\tlocal -a commands specs\n"
	"\n"
	"\t_unibus_row ''\n"
	"\twhile (( $#commands && i < CURRENT )); do\n"
	"\t\tcmd=${cmd:+$cmd }$words[i]\n"
	"\t\t_unibus_row \"$cmd\"\n"
	"\t\t(( i++ ))\n"
	"\tdone\n"
	"\tif (( $#commands )); then\n"
	"\t\t_describe command commands\n"
	"\t\treturn\n"
	"\tfi\n"
	"\twords=(\"unibus $cmd\" \"${(@)words[i,-1]}\")\n"
	"\t(( CURRENT -= i - 2 ))\n"
	"\t_arguments -S : '--help[show this command and its options]' $specs\n"
	"}\n"
	"\n"
	"_unibus \"$@\"\n";

/* The next operand of a usage line, bare: "[JSON]" is JSON, "TEXT..." is TEXT. */
static bool next_operand(const char **at, char to[64], bool *ret_many)
{
	size_t len, n = 0;

	*at += strspn(*at, " ");
	len = strcspn(*at, " ");
	for (size_t i = 0; i < len && n < 63; i++)
		if (!strchr("[].", (*at)[i]))
			to[n++] = (*at)[i];
	to[n] = '\0';
	*ret_many = len >= 3 && memmem(*at, len, "...", 3);
	*at += len;
	return n > 0;
}

static void put_escaped(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			printf(strchr(special, *text) ? "\\%c" : "%c", *text);
	}
}

/* What --help calls the option's value. */
static void value_name(const struct opt_row *row, char *to, size_t cap)
{
	size_t n = 0;

	snprintf(to, cap, "%s", row->value ? row->value : "-");
	for (size_t i = 0; row->type == OPT_CHOICE && row->choices[i] && n < cap; i++)
		n += (size_t)snprintf(to + n, cap - n, "%s%s", i ? "|" : "", row->choices[i]);
}

static void bash_command(const struct cli_command *cmd)
{
	const char *at = cmd->args, *sep = "";
	char name[128];
	bool many;

	printf("\t'%s%s%s')\n\t\toptions='", cmd->group ? cmd->group : "", cmd->group ? " " : "",
		cmd->name);
	for (const struct opt_row *row = cmd->rows; row->name; row++) {
		value_name(row, name, sizeof(name));
		printf("%s--%s %s", sep, row->name, name);
		sep = "\n";
	}
	fputs("'\n\t\toperands='", stdout);
	for (sep = ""; next_operand(&at, name, &many); sep = " ")
		printf("%s%s", sep, name);
	fputs("'\n\t\t;;\n", stdout);
}

/* ":message:action" of one value. */
static void zsh_value(const char *name)
{
	bool choices = true;

	for (const char *p = name; *p; p++)
		choices = choices && (*p == '|' || *p == '_' || (*p >= 'a' && *p <= 'z'));
	putchar(':');
	if (!choices) {
		put_escaped(name, ":\\");
		printf(":%s", strncmp(name, "FILE", 4) == 0  ? "_files"
			      : strncmp(name, "DIR", 3) == 0 ? "_files -/"
							     : " ");
		return;
	}
	fputs("one of:(", stdout);
	for (const char *p = name; *p; p++)
		putchar(*p == '|' ? ' ' : *p);
	putchar(')');
}

static void zsh_command(const struct cli_command *cmd)
{
	const char *at = cmd->args;
	char name[128];
	bool many;

	printf("\t'%s%s%s')\n\t\tspecs=(\n", cmd->group ? cmd->group : "", cmd->group ? " " : "",
		cmd->name);
	for (const struct opt_row *row = cmd->rows; row->name; row++) {
		value_name(row, name, sizeof(name));
		printf("\t\t\t'%s--%s%s[", row->type == OPT_LIST ? "*" : "", row->name,
			row->type == OPT_FLAG ? "" : "=");
		put_escaped(row->help, "[]:\\");
		putchar(']');
		if (row->type != OPT_FLAG)
			zsh_value(name);
		fputs("'\n", stdout);
	}
	for (size_t i = 1; next_operand(&at, name, &many); i++) {
		if (many)
			fputs("\t\t\t'*", stdout);
		else
			printf("\t\t\t'%zu", i);
		zsh_value(name);
		fputs("'\n", stdout);
	}
	fputs("\t\t)\n\t\t;;\n", stdout);
}

/* The first row of its group, over all tables, stands for it on the first level. */
static bool opens_group(const struct cli_command *cmd)
{
	for (const struct cli_command *const *t = cli_tables; cmd->group && *t; t++)
		for (const struct cli_command *c = *t; c->name; c++) {
			if (c == cmd)
				return true;
			if (c->group && strcmp(c->group, cmd->group) == 0)
				return false;
		}
	return true;
}

/* The words of a level: group NULL for the first, else the names in that group. */
static void each_word(const char *group, void (*fn)(const char *word, const char *help))
{
	for (const struct cli_command *const *t = cli_tables; *t; t++)
		for (const struct cli_command *cmd = *t; cmd->name; cmd++) {
			if (!group && opens_group(cmd))
				fn(cmd->group ? cmd->group : cmd->name,
					cmd->group ? "a group of commands" : cmd->help);
			else if (group && cmd->group && strcmp(group, cmd->group) == 0)
				fn(cmd->name, cmd->help);
		}
}

static void bash_word(const char *word, const char *help)
{
	(void)help;
	printf("%s ", word);
}

static void zsh_word(const char *word, const char *help)
{
	printf("\t\t\t'%s:", word);
	put_escaped(help, "\\");
	fputs("'\n", stdout);
}

static void bash_level(const char *group)
{
	printf("\t'%s') words='", group ? group : "");
	each_word(group, bash_word);
	printf("'%s ;;\n", group ? "" : " options='--version -'");
}

static void zsh_level(const char *group)
{
	printf("\t'%s')\n\t\tcommands=(\n", group ? group : "");
	each_word(group, zsh_word);
	fputs("\t\t)\n\t\t;;\n", stdout);
}

static int completion(struct cli *c)
{
	bool zsh = strcmp(c->args[0], "zsh") == 0;
	void (*level)(const char *group) = zsh ? zsh_level : bash_level;
	void (*command)(const struct cli_command *cmd) = zsh ? zsh_command : bash_command;

	if (!zsh && strcmp(c->args[0], "bash") != 0) {
		fprintf(stderr, "unibus completion: bash or zsh, not '%s'\n", c->args[0]);
		return CLI_USAGE;
	}
	fputs(zsh ? zsh_head : bash_head, stdout);
	level(NULL);
	for (const struct cli_command *const *t = cli_tables; *t; t++)
		for (const struct cli_command *cmd = *t; cmd->name; cmd++) {
			if (cmd->group && opens_group(cmd))
				level(cmd->group);
			command(cmd);
		}
	fputs(zsh ? zsh_tail : bash_tail, stdout);
	return CLI_OK;
}

const struct cli_command cli_completion_commands[] = {
	{NULL, "completion", "bash|zsh", "print a completion script for that shell", rows, 1, 1,
		completion},
	{0},
};
