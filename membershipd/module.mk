# membershipd: store (port and engines), domain (rules, directory), http, nats (shells), cmd.

$(eval $(call archive,md_store,$(wildcard membershipd/store/*.c)))
$(eval $(call archive,md_domain,$(wildcard membershipd/domain/*.c)))
$(eval $(call archive,md_http,$(wildcard membershipd/http/*.c)))
$(eval $(call archive,md_nats,$(wildcard membershipd/nats/*.c)))
# Everything but main: tests link the real service.
$(eval $(call archive,md_app,$(filter-out membershipd/main.c,$(wildcard membershipd/*.c)) \
	$(wildcard membershipd/cmd/*.c)))

MD_ARCHIVES := md_app md_http md_nats md_domain md_store support core
$(eval $(call program,membershipd,membershipd/main.c,$(MD_ARCHIVES),$$(LIBS_MD)))
