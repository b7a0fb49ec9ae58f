# make up: build, then hand over to one supervisor.
.PHONY: up
up: deps
	@$(MAKE) --no-print-directory programs
	@exec sh deploy/up.sh
