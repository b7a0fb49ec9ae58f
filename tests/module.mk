# Tests: one program a module under test (cmocka), shell scripts and node scripts; tests/run adds
# them up. A file tests/<kind>/**/test_x.c becomes build/<variant>/tests/<kind>/.../test_x.

# What each kind links.
TEST_LIBS_unit := fuzztargets client md_domain md_store support core
TEST_LIBS_contract := harness md_store support core
TEST_LIBS_component := harness $(MD_ARCHIVES) client
TEST_LIBS_e2e := harness md_store support core
TEST_LIBS_adversary := harness md_store support core

$(eval $(call archive,fuzztargets,tests/fuzz/targets.c))
$(eval $(call archive,harness,$(filter-out tests/harness/crashd.c,$(wildcard tests/harness/*.c))))

# The real membershipd over a store that crashes; a tool of the tests, never installed.
$(eval $(call program,crashd,tests/harness/crashd.c,harness $(MD_ARCHIVES),$$(LIBS_MD)))
PROGRAMS := $(filter-out $(B)/crashd,$(PROGRAMS))

# $(call test,KIND,SOURCE)
define test
OBJS += $$(B)/obj/$(patsubst %.c,%.o,$(2))
TESTS_$(1) += $$(B)/$(patsubst %.c,%,$(2))
$$(B)/$(patsubst %.c,%,$(2)): $$(B)/obj/$(patsubst %.c,%.o,$(2)) \
		$$(patsubst %,$$(B)/lib%.a,$$(TEST_LIBS_$(1))) $(if $(filter e2e adversary,$(1)),$$(B)/libunibus.so)
	@mkdir -p $$(@D)
	@echo "LD $$@"
	@$$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS_V) -pie -o $$@ $$(B)/obj/$(patsubst %.c,%.o,$(2)) \
		-Wl,--start-group $$(patsubst %,$$(B)/lib%.a,$$(TEST_LIBS_$(1))) -Wl,--end-group \
		$(if $(filter e2e adversary,$(1)),$$(B)/libunibus.so -Wl$$(comma)-rpath$$(comma)$$(abspath $$(B))) \
		$$(LIBS_MD) $$(LIBS_CLIENT) -lcmocka
endef

TEST_KINDS := unit contract component e2e adversary
$(foreach k,$(TEST_KINDS),$(foreach s,$(shell find tests/$(k) 2>/dev/null -name 'test_*.c' | sort),\
	$(eval $(call test,$(k),$(s)))))
TESTS := $(foreach k,$(TEST_KINDS),$(TESTS_$(k)))

.PHONY: tests test test-run check asan tsan lint analyze format
tests: programs $(B)/crashd $(TESTS)

# All of it, release build. Sets the machine up first.
test: deps
	@$(MAKE) --no-print-directory tests
	@sh tests/run $(B) all

# For one kind: make test-unit, make test-e2e ...
test-%: tests
	@sh tests/run $(B) $*

asan tsan: deps
	@$(MAKE) --no-print-directory VARIANT=$@ tests
	@sh tests/run build/$@ sanitized

# The tests that kill servers, for as long as one likes, each.
SOAK_SECONDS ?= 600
.PHONY: soak
soak: deps
	@$(MAKE) --no-print-directory tests
	@UNIBUS_SOAK_SECONDS=$(SOAK_SECONDS) $(B)/tests/contract/test_store_jetstream_faults

# The pages of the manual are held against what the programs say of themselves.
lint: deps
	@$(MAKE) --no-print-directory programs
	@sh tests/run $(B) lint

# gcc's path analysis over the floors that decide: core, domain, support, store.
analyze: deps
	@$(MAKE) --no-print-directory VARIANT=analyze build/analyze/libcore.a \
		build/analyze/libmd_domain.a build/analyze/libsupport.a build/analyze/libmd_store.a

check: deps
	@bash tests/check

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

# The vectors of the room log. Deterministic: as long as no rule changes, no file does.
GEN_OBJS := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/vectors/*.c))
OBJS += $(GEN_OBJS)

.PHONY: vectors
vectors: $(GEN_OBJS) $(B)/libcore.a
	@$(CC) $(LDFLAGS_ALL) $(LDFLAGS_V) -pie -o $(B)/gen_room $^ $(LIBS_CORE)
	@$(B)/gen_room tests/vectors

# libFuzzer over every target, FUZZ_SECONDS each; finds grow the corpus in build/.
FUZZ_SECONDS ?= 60
$(B)/fuzzer: $(B)/obj/tests/fuzz/main.o $(B)/libfuzztargets.a $(B)/libmd_store.a $(B)/libcore.a
	@echo "LD $@"
	@$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS_CORE)
OBJS += $(B)/obj/tests/fuzz/main.o

.PHONY: fuzz
fuzz: deps
	@$(MAKE) --no-print-directory VARIANT=fuzz build/fuzz/fuzzer
	@for t in tests/fuzz/corpus/*; do \
		n=$${t##*/}; mkdir -p build/fuzz/corpus/$$n; \
		echo "== $$n"; \
		FUZZ_TARGET=$$n build/fuzz/fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=65536 \
			-print_final_stats=1 -artifact_prefix=build/fuzz/$$n- \
			build/fuzz/corpus/$$n $$t || exit 1; \
	done

# Measurements, each beside its counterpart from the same run.
$(B)/bench_core: $(B)/obj/tests/bench/bench_core.o $(B)/obj/tests/bench/bench.o $(B)/libcore.a
	@echo "LD $@"
	@$(CC) $(LDFLAGS_ALL) $(LDFLAGS_V) -pie -o $@ $^ $(LIBS_CORE)
$(B)/bench_http: $(B)/obj/tests/bench/bench_http.o $(B)/obj/tests/bench/bench.o \
		$(patsubst %,$(B)/lib%.a,$(TEST_LIBS_component))
	@echo "LD $@"
	@$(CC) $(LDFLAGS_ALL) $(LDFLAGS_V) -pie -o $@ $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(LIBS_MD) $(LIBS_CLIENT) -lcmocka
$(B)/bench_bus: $(B)/obj/tests/bench/bench_bus.o $(B)/obj/tests/bench/bench.o \
		$(B)/libharness.a $(patsubst %,$(B)/lib%.a,$(MD_ARCHIVES))
	@echo "LD $@"
	@$(CC) $(LDFLAGS_ALL) $(LDFLAGS_V) -pie -o $@ $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(LIBS_MD) $(LIBS_CLIENT) -lcmocka
# Peers of the shared library, as programs of others are.
$(B)/bench_room $(B)/bench_grant: $(B)/%: $(B)/obj/tests/bench/%.o $(B)/obj/tests/bench/bench.o \
		$(patsubst %,$(B)/lib%.a,$(TEST_LIBS_e2e)) $(B)/libunibus.so
	@echo "LD $@"
	@$(CC) $(LDFLAGS_ALL) $(LDFLAGS_V) -pie -o $@ $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(B)/libunibus.so -Wl,-rpath,$(abspath $(B)) \
		$(LIBS_MD) $(LIBS_CLIENT) -lcmocka
OBJS += $(B)/obj/tests/bench/bench_bus.o
OBJS += $(B)/obj/tests/bench/bench_room.o $(B)/obj/tests/bench/bench_grant.o
OBJS += $(B)/obj/tests/bench/bench_core.o $(B)/obj/tests/bench/bench_http.o \
	$(B)/obj/tests/bench/bench.o

BENCHES := $(addprefix $(B)/bench_,core http bus room grant)

.PHONY: bench
bench: deps
	@$(MAKE) --no-print-directory programs $(BENCHES)
	@rm -f build/bench.json
	@for p in $(BENCHES); do \
		echo "== $${p##*/bench_}"; \
		PATH="$$PWD/build/tools:$$PATH" UNIBUS_BUILD="$$PWD/$(B)" $$p || exit 1; \
	done
