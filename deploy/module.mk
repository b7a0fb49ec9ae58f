# make up: build, then hand over to one supervisor.
$(eval $(call program,supervise,$(wildcard deploy/*.c),core,$$(LIBS_CORE)))

.PHONY: up
up: deps
	@$(MAKE) --no-print-directory programs
	@exec sh deploy/up.sh
