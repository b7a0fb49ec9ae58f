# make install, make uninstall: programs, library, headers, pkg-config, man pages, completion.
#
# PREFIX and what is derived from it are where things will be; DESTDIR goes in front while a package
# is made. Both calls must be given the same ones: uninstall removes what install with them wrote.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions

VERSION := $(shell sed -n 's/^.define UNIBUS_VERSION "\(.*\)"/\1/p' libunibus/include/unibus/version.h)
STAGE := $(B)/install

# The installed programs look for the library where it is installed, from where they are.
RUNPATH = $(shell realpath -m --relative-to=$(BINDIR) $(LIBDIR))
$(STAGE)/%: $(B)/% FORCE
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) $(LDFLAGS_V) $(LDFLAGS) -pie -o $@ $($*_OBJS) \
		-Wl,--start-group $(B)/libsupport.a $(B)/libcore.a -Wl,--end-group $(B)/libunibus.so \
		-Wl,-rpath,'$$ORIGIN/$(RUNPATH)' $(LIBS_SUPPORT) $(LIBS_CORE) $(if $(filter unibus,$*),-ledit)

$(STAGE)/unibus.pc: libunibus/libunibus.pc.in FORCE
	@mkdir -p $(@D)
	@sed 's#@PREFIX@#$(PREFIX)#; s#@LIBDIR@#$(LIBDIR)#; s#@INCLUDEDIR@#$(INCLUDEDIR)#; s#@VERSION@#$(VERSION)#' \
		$< >$@

$(STAGE)/unibus.bash $(STAGE)/_unibus: $(B)/unibus
	@mkdir -p $(@D)
	@$(B)/unibus completion $(if $(filter %.bash,$@),bash,zsh) >$@
FORCE:

# $(call put,MODE,FILES,FOLDER[,NAME]): a file goes there, under another name when one is given.
define put
STAGED += $(2)
$(foreach f,$(2),$(eval INSTALLED += $(3)/$(or $(4),$(notdir $(f)))))
INSTALL_STEPS += $(foreach f,$(2),install -D -m $(1) $(f) $$(DESTDIR)$(3)/$(or $(4),$(notdir $(f)));)
endef
# $(call link,TO,PATH): a symbolic link.
define link
INSTALLED += $(2)
INSTALL_STEPS += ln -sf $(1) $$(DESTDIR)$(2);
endef

$(eval $(call put,755,$(STAGE)/unibus $(STAGE)/clientcheck,$(BINDIR)))
$(eval $(call put,755,$(B)/membershipd,$(SBINDIR)))
$(eval $(call put,644,$(B)/libunibus.a,$(LIBDIR)))
$(eval $(call put,755,$(B)/libunibus.so,$(LIBDIR),libunibus.so.$(VERSION)))
$(eval $(call link,libunibus.so.$(VERSION),$(LIBDIR)/$(SONAME)))
$(eval $(call link,$(SONAME),$(LIBDIR)/libunibus.so))
$(eval $(call put,644,$(STAGE)/unibus.pc,$(LIBDIR)/pkgconfig))
$(eval $(call put,644,$(wildcard libunibus/include/unibus/*.h),$(INCLUDEDIR)/unibus))
$(eval $(call put,644,$(STAGE)/unibus.bash,$(BASHCOMPDIR),unibus))
$(eval $(call put,644,$(STAGE)/_unibus,$(ZSHCOMPDIR)))
$(foreach s,1 3 8,$(eval $(call put,644,$(wildcard libunibus/man/*.$(s)),$(MANDIR)/man$(s))))
# man unibus_publish opens the page that describes it: a link for each name of a page's first lines.
$(foreach l,$(shell awk '/^\.Sh SYNOPSIS/ { nextfile } /^\.Nm / { n = split(FILENAME, a, "/"); \
	if (a[n] != $$2 ".3") print $$2 ".3=" a[n] }' $(wildcard libunibus/man/*.3)),\
	$(eval $(call link,$(lastword $(subst =, ,$(l))),$(MANDIR)/man3/$(firstword $(subst =, ,$(l))))))

.PHONY: install uninstall
install: programs
	@$(MAKE) --no-print-directory install-files

.PHONY: install-files
install-files: $(STAGED)
	@set -e; $(INSTALL_STEPS)
	@echo "installed $(words $(INSTALLED)) files under $(DESTDIR)$(PREFIX)"

uninstall:
	@rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	@-rmdir $(DESTDIR)$(INCLUDEDIR)/unibus 2>/dev/null
