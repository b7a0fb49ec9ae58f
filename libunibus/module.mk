# libunibus: core (pure), client (the library's shell), support (what our programs share), cli.

$(eval $(call archive,core,$(wildcard libunibus/core/*.c)))
$(eval $(call archive,support,$(wildcard libunibus/support/*.c)))
$(eval $(call archive,client,$(wildcard libunibus/client/*.c)))

SONAME := libunibus.so.0

$(B)/libunibus.so: $(core_OBJS) $(client_OBJS) libunibus/libunibus.map
	@mkdir -p $(@D)
	@echo "LD $@"
	@$(CC) -shared $(LDFLAGS_ALL) $(LDFLAGS_V) $(LDFLAGS) -Wl,-soname,$(SONAME) \
		-Wl,--version-script=libunibus/libunibus.map $(if $(filter release,$(VARIANT)),-Wl$(comma)-z$(comma)defs) \
		-o $@ $(core_OBJS) $(client_OBJS) $(LIBS_CLIENT)
	@ln -sf libunibus.so $(B)/$(SONAME)
comma := ,

# One object in which only the public names are left global: a program that links it may have
# functions of its own called as ours are.
$(B)/libunibus.a: $(core_OBJS) $(client_OBJS) libunibus/module.mk
	@rm -f $@
	@ld -r -o $(B)/libunibus.o $(filter %.o,$^)
	@objcopy --localize-hidden $(B)/libunibus.o
	@ar rcs $@ $(B)/libunibus.o

# The tool is a peer like any other: it links the shared library and uses the public API only.
$(eval $(call program,unibus,$(wildcard libunibus/cli/*.c),support core,$(value PEER_LIBS) -ledit))
$(B)/unibus: $(B)/libunibus.so
