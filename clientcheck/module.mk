# clientcheck: a table of checks over the public libunibus API.
$(eval $(call program,clientcheck,$(wildcard clientcheck/*.c),support core,$(value PEER_LIBS)))
$(B)/clientcheck: $(B)/libunibus.so
