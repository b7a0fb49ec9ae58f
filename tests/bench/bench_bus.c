/* A whole bus: how fast a login is judged, and how fast a revocation bites. Each revocation is
 * measured from the call to the moment when the revoked peer's own socket is closed, and the REST
 * answer is checked to come with the connection gone. */
#include <stdio.h>

#include "core/base.h"
#include "core/key.h"
#include "tests/bench/bench.h"
#include "tests/harness/peer.h"
#include "tests/harness/rawbus.h"
#include "tests/harness/stack.h"

#define TRIES 200

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void report(const char *name, const double *ms, double reach_p99)
{
	char what[128], reach[32];
	double p99 = bench_percentiles(name, ms, TRIES);

	snprintf(what, sizeof(what), "%s, p99", name);
	snprintf(reach, sizeof(reach), "<= %.0f ms", reach_p99);
	bench_report(what, p99, "ms", reach, p99 <= reach_p99);
}

static bool one(struct stack *s, unsigned i, double *login, double *closed)
{
	struct rawbus b;
	struct peer p;
	char handle[16];
	double t;
	bool ok;

	snprintf(handle, sizeof(handle), "bench%u", i);
	if (peer_enrol(&p, s, handle) != 201)
		return false;
	t = now_ms();
	if (rawbus_enter(&b, s->nats_port, &p.sign) != RAWBUS_IN)
		return false;
	*login = now_ms() - t;
	t = now_ms();
	ok = call_user_revoke(s, &p.sign, NULL) == 200 && rawbus_wait_closed(&b, 1000);
	*closed = now_ms() - t;
	rawbus_close(&b);
	return ok;
}

int main(void)
{
	static double login[TRIES], closed[TRIES];
	struct stack s;
	bool ok = true;

	if (ub_core_init() || stack_start(&s, NULL))
		return 1;
	bench_machine();
	for (unsigned i = 0; ok && i < TRIES; i++)
		ok = one(&s, i, &login[i], &closed[i]);
	if (ok) {
		report("login to the bus", login, 50);
		report("revoke, call to answer and connection closed", closed, 50);
		ok = bench_write();
	}
	return stack_stop(&s) || !ok;
}
