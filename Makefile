# SPDX-License-Identifier: Apache-2.0
# Hone: `make help` lists the targets.  Nothing here names a source file: wildcards find them.
#
# Options: DEBUG=1   no optimisation, assertions kept
#          SAN=address,undefined (or thread)   a sanitizer build with assertions, in its own folder
#          CC=clang-14, CROSS=aarch64-linux-gnu-   another compiler or machine
#          WERROR=1  warnings are errors (CI)
#          PREFIX=/usr, DESTDIR=...   where `make install` puts things

comma := ,
CROSS   ?=
CC       = $(CROSS)gcc
AR       = $(CROSS)ar
VERSION := $(shell sed -n 's/.*HONE_VERSION "\(.*\)"/\1/p' include/hone.h)
SOVERSION = 0
PREFIX  ?= /usr/local
MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null | cut -d- -f1)

# The build folder says what it holds, so variants never mix.
B ?= build/$(MACHINE)$(if $(filter clang%,$(notdir $(CC))),-clang)$(if $(DEBUG),-debug)$(if $(SAN),-$(firstword $(subst $(comma), ,$(SAN))))

CFLAGS ?= $(if $(DEBUG),-O0 -g,$(if $(SAN),-O1 -g1,-O2 -g))
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers \
       $(if $(WERROR),-Werror)
# No contraction: a fused add happens only where the code says so, or twins would differ.
ALL = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I$(B)/gen -I. -Isrc -Iinclude -fPIC -fvisibility=hidden -pthread \
      -ffp-contract=off -fno-math-errno $(if $(DEBUG)$(SAN),,-DNDEBUG) \
      $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
      $(if $(DEBUG)$(SAN),,$(LEAN_CODE)) $(WARN) $(CFLAGS) -MMD -MP
# Functions one by one, so that the linker leaves out what nothing reaches; debuggers unwind by what -g writes.
LEAN_CODE = -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables
LEAN_LINK = $(if $(DEBUG)$(SAN),,-Wl,--gc-sections)
# The same relocations in a fiftieth of the room, where the linker knows how (and so the C library beside it).
RELR := $(if $(shell $(CROSS)ld --help 2>/dev/null | grep pack-relative-relocs),-Wl$(comma)-z$(comma)pack-relative-relocs)
LINK = $(CC) -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LEAN_LINK) $(LDFLAGS)

# ---- What is built from what -----------------------------------------------------------
LIB_FLOORS = base tensor kernels graph formats runtime cost llm train compress api
# Applications read a device's store: that part of the fleet is the library's own.
store_c := $(if $(filter api,$(LIB_FLOORS)),$(addprefix src/fleet/,fs.c slots.c store_read.c))
lib_c  := $(filter-out %.k.c,$(foreach f,$(LIB_FLOORS),$(shell find src/$(f) -name '*.c' 2>/dev/null))) $(store_c)
cli_c  := $(filter-out src/cli/system_table.c,$(shell find src/cli src/plan -name '*.c' 2>/dev/null))
plan_c := $(shell find src/plan -name '*.c' 2>/dev/null)
media_c := $(shell find src/media -name '*.c' 2>/dev/null)
system_c := $(filter-out $(store_c),$(foreach f,net fleet,$(shell find src/$(f) -name '*.c' 2>/dev/null)))
k_c    := $(shell find src/kernels -name '*.k.c' 2>/dev/null)

ISAS_x86_64  = scalar avx2 avx512 amx
ISAS_aarch64 = scalar neon
ISAS  = $(or $(ISAS_$(MACHINE)),scalar)
flags_avx2   = -mavx2 -mfma -mf16c
flags_avx512 = $(flags_avx2) -mbmi2 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni
flags_amx    = $(flags_avx512) -mamx-tile -mamx-int8
k_amx        = src/kernels/table.k.c src/kernels/qpanel.k.c

# A plan file is read by the engine that wrote it: a sum over all that decides what it holds.
engine_src := $(sort $(shell find src/tensor src/kernels src/graph src/formats src/runtime -name '*.[ch]' -o -name '*.def' -o -name '*.inc'))
ALL_engine = '-DHN_ENGINE="$(firstword $(shell cat $(engine_src) | cksum))"'
$(B)/src/formats/engine.o: $(engine_src)

ALL_pick = '-DHN_ISAS(X)=$(foreach i,$(ISAS),X($i))'

lib_o := $(lib_c:%.c=$(B)/%.o) $(foreach i,$(ISAS),$(patsubst %.k.c,$(B)/%.$(i).o,$(or $(k_$(i)),$(k_c))))
cli_o := $(cli_c:%.c=$(B)/%.o)
media_o := $(media_c:%.c=$(B)/%.o)
system_o := $(system_c:%.c=$(B)/%.o)
modules := $(B)/libhone-media.so $(B)/libhone-system.so

.PHONY: reduced tests all help deps demo demo-now test full fresh check sizes doc install uninstall quick threads cross arm64 arm32 isa floors clean examples cli-tests
all: $(B)/hone $(modules) $(B)/libhone.a $(B)/libhone.so.$(SOVERSION)    ## program and library

help:          ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

# ---- From nothing: packages first, then a second make, which has a compiler to ask ---------
deps:          ## install the Debian packages that are missing
	@tools/deps.sh $(GROUP)

AGAIN = +@$(MAKE) --no-print-directory $(if $(findstring j,$(filter-out --%,$(MAKEFLAGS))),,-j$(shell nproc))
demo: deps     ## build, then recognise pictures and write a page about it
	$(AGAIN) demo-now
demo-now: $(B)/hone $(B)/libhone-media.so
	@$(B)/hone demo --html build/demo.html

test: deps     ## everything that proves it right on this machine, in minutes
	$(AGAIN) all
	@tools/test.sh

full: GROUP = full
full: deps     ## test, and: sanitizers, clang, ARM in an emulator, fuzzing
	@tools/full.sh

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL) $(ALL_$(notdir $*)) $(SIZE) -c $< -o $@

# For size: what runs once for a model or a request.
for_size = formats/ graph/passes/ api/ fleet/fs fleet/slots fleet/store_read llm/arch/ \
           $(addprefix llm/,blocks build chat grammar_parse hf jinja llama2c safetensors schema stream_file talk tok_gguf tools) \
           $(addprefix graph/ops/,control deform flex grid linear_ml loss ml optimizer random range roi scatter select sequence signal \
                                   text tfidf trees)
$(foreach f,$(for_size),$(B)/src/$(f)%.o $(B)/src/$(f).o): SIZE = $(if $(DEBUG)$(SAN),,-Os)
# The plain twins of what has a loop for each quantised type, where something faster is beside them.  Not of the others:
# convolutions would take two to three times as long.
opt_scalar_qdot = $(if $(filter-out scalar,$(ISAS)),$(if $(DEBUG)$(SAN),,-Os) -DHN_COMPACT \
                  $(if $(filter clang%,$(notdir $(CC))),,-Wno-maybe-uninitialized))
opt_scalar_qpanel = $(opt_scalar_qdot)

define per_isa
$(B)/%.$1.o: %.k.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL) -DHN_ISA=$1 -DHN_ISA_$1 $$(flags_$1) $$(opt_$1) $$(opt_$1_$$(notdir $$*)) $$(k_san_$1) -c $$< -o $$@
endef
$(foreach i,$(ISAS),$(eval $(call per_isa,$(i))))

$(B)/libhone.a: $(lib_o)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# Files carried inside the program.
EMBEDDED := models/demo/pictograms.onnx models/demo/labels.txt $(wildcard models/demo/pictures/*) \
            $(wildcard models/demo/goldens/*) models/storyteller/storyteller.gguf \
            $(wildcard catalog/*.json catalog/*.csv)
$(B)/gen/embedded.inc: $(EMBEDDED) Makefile
	@mkdir -p $(@D)
	@printf '%s\n' $(EMBEDDED) | awk '{ printf "EMBED(%d, \"%s\")\n", NR, $$0 }' > $@
$(B)/src/cli/embedded.o: $(B)/gen/embedded.inc

LIB_LIBS = -Wl,--as-needed -lm -ljansson -lpcre2-8 -lutf8proc
$(B)/hone: $(cli_o) $(B)/libhone.a
	$(Q)$(LINK) -o $@ $^ -ljansson -ldl $(LIB_LIBS)

# Pictures, networks and signatures live apart, so that the program starts without their libraries.
media_libs  = -ljpeg -lpng
system_libs = -lcurl -lmicrohttpd -lgnutls -lcrypto -lzstd
$(B)/libhone-plan.a: $(plan_c:%.c=$(B)/%.o)
$(B)/libhone-media.a: $(media_o)
$(B)/libhone-system.a: $(system_o)
$(B)/libhone-plan.a $(B)/libhone-media.a $(B)/libhone-system.a:
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(B)/libhone-media.so: $(media_o)
$(B)/libhone-system.so: $(system_o) $(B)/src/cli/system_table.o
$(modules): $(B)/libhone-%.so: $(B)/libhone.a
	$(Q)$(LINK) -shared -Wl,--exclude-libs,ALL $(if $(SAN),,-Wl,-z,defs) -o $@ $(filter %.o,$^) $(B)/libhone.a \
	    -Wl,--as-needed $($*_libs) $(LIB_LIBS)

$(B)/libhone.so.$(SOVERSION): $(lib_o) libhone.map
	$(Q)$(LINK) -shared $(RELR) -Wl,-soname,libhone.so.$(SOVERSION) -Wl,--version-script=libhone.map $(if $(SAN),,-Wl,-z,defs) \
	    -o $@ $(lib_o) $(LIB_LIBS)

# ---- A library for one model, and no other -----------------------------------------------------
here := $(shell gcc -dumpmachine 2>/dev/null | cut -d- -f1)
reduced_isas = $(or $(REDUCED_ISAS),$(if $(filter aarch64,$(MACHINE)),neon,$(if $(filter x86_64,$(MACHINE)),scalar avx2,scalar)))
.PHONY: parts reduced-now
parts: $(lib_o)
reduced:       ## a static library that runs MODEL=model.onnx alone; CROSS=aarch64-linux-gnu- for another machine
	$(AGAIN) CROSS= CC=gcc build/$(here)/hone
	$(AGAIN) reduced-now
reduced-now:
	+@MAKE="$(MAKE)" CROSS=$(CROSS) CC="$(CC)" ISAS="$(if $(PARTS),$(ISAS),$(reduced_isas))" PARTS=$(PARTS) CASE="$(CASE)" \
	    RUNNER="$(RUNNER)" LIMIT=$(LIMIT) tools/reduced/reduced.sh build/$(here)/hone "$(MODEL)" $(INSPECT)

# ---- Examples: examples/<name>.c against the shared library, as a user builds them --------
examples := $(patsubst %.c,$(B)/%,$(wildcard examples/*.c))
examples: $(examples)   ## the example programs
$(B)/examples/%: examples/%.c $(B)/libhone.so.$(SOVERSION)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(CFLAGS) -std=c11 $(WARN) -Iinclude -o $@ $< $(B)/libhone.so.$(SOVERSION) '-Wl,-rpath,$$ORIGIN/..'

# ---- Tests: tests/<floor>/<noun>.c, found by wildcard ------------------------------------
test_c := $(shell find tests -mindepth 2 -name '*.c' -not -path 'tests/support/*' 2>/dev/null)
support_o := $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/*.c))
tests  := $(test_c:tests/%.c=$(B)/tests/%)
# A cross build has no cmocka: tests/support/plain.c stands in.
TEST_FLAGS = $(if $(CROSS),-DHN_NO_CMOCKA)
TEST_LIBS  = $(if $(CROSS),,-lcmocka -ljansson)
$(support_o) $(tests:=.o) $(B)/tests/support/system/%.o: ALL += $(TEST_FLAGS)
$(B)/tests/%: $(B)/tests/%.o $(support_o) $(B)/libhone.a
	$(Q)$(LINK) -o $@ $(sort $(filter %.o,$^)) $(filter %plan.a %media.a %system.a,$^) $(B)/libhone.a $(MORE_LIBS) $(TEST_LIBS) $(LIB_LIBS)
# The system floors are no part of the library: their tests link what they test.
$(filter $(B)/tests/media/%,$(tests)): MORE_LIBS = $(media_libs)
$(filter $(B)/tests/media/%,$(tests)): $(B)/libhone-media.a
$(filter $(B)/tests/plan/%,$(tests)): $(B)/libhone-plan.a
system_tests = $(filter $(B)/tests/net/% $(B)/tests/fleet/%,$(tests))
$(system_tests): MORE_LIBS = $(system_libs)
$(system_tests): $(B)/libhone-system.a $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/system/*.c))

tests: $(tests)
quick: $(tests) $(B)/hone $(modules)    ## unit tests only, in seconds
	@tools/run-tests.sh $(tests)

# What threads meet in, for the thread sanitizer.
threads: $(filter $(B)/tests/base/pool $(B)/tests/runtime/% $(B)/tests/api/%,$(tests)) $(B)/hone
	@tools/run-tests.sh $(filter-out %/hone,$^)
cli-tests: $(B)/hone $(modules) $(examples)   ## commands against tests/cli/*.test
	@tools/cli-tests.sh $(B) $(filter-out $(if $(SAN),tests/cli/plan_fit.test),$(wildcard tests/cli/*.test))   # a sanitizer's memory is its own

# ---- Fuzzing: fuzz/<name>.c with seeds in fuzz/seeds/<name>/; crashes become seeds ---------
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang-14
F = build/fuzz
fuzz_names := $(basename $(notdir $(wildcard fuzz/*.c)))
.PHONY: fuzz
fuzz: $(fuzz_names:%=fuzz-%)    ## each target for FUZZ_SECONDS
	@FUZZ_JOBS=$(FUZZ_JOBS) FUZZ_FLAGS=$(FUZZ_FLAGS) tools/fuzz.sh $(F) $(FUZZ_SECONDS) $(fuzz_names)

# Kernels see checked shapes only, and clang needs minutes for a wide one with every sanitizer: here they
# report bad addresses (the widest ones only wrong answers); gcc's sanitizer build has all of both.
FUZZ_MAKE = $(MAKE) --no-print-directory B=$(F)/obj CC=$(FUZZ_CC) SAN=fuzzer-no-link,address,undefined \
            $(foreach i,scalar avx2,k_san_$i=-fno-sanitize=fuzzer-no-link,undefined) $(foreach i,avx512 amx,k_san_$i=-fno-sanitize=all)
fuzz_support = $(patsubst %,$(F)/obj/tests/support/%.o,agree random)      # graphs from bytes

.PHONY: fuzzable
fuzzable:                       # once, before targets that may be built side by side
	+$(Q)$(FUZZ_MAKE) $(F)/obj/libhone.a $(F)/obj/libhone-media.a $(F)/obj/libhone-plan.a $(F)/obj/libhone-system.a $(fuzz_support)

fuzz-%: fuzzable
	+$(Q)$(FUZZ_MAKE) $(F)/obj/fuzz/$*.o
	$(Q)$(FUZZ_CC) -pthread -fsanitize=fuzzer,address,undefined -o $(F)/$* $(F)/obj/fuzz/$*.o $(fuzz_support) \
	    $(F)/obj/libhone-plan.a $(F)/obj/libhone-media.a $(F)/obj/libhone-system.a $(F)/obj/libhone.a $$(sed -n 's|^/\* libs: \(.*\) \*/$$|\1|p' fuzz/$*.c) $(LIB_LIBS)

# The floors that other machines run under an emulator: the run-only library, which needs libc and
# libm alone, so nothing else has to be there for them.
CROSS_FLOORS = base tensor kernels graph formats runtime
LEAN = LIB_FLOORS='$(CROSS_FLOORS)' LIB_LIBS=-lm B=build/lean-$@
cross: $(filter $(foreach f,$(CROSS_FLOORS),$(B)/tests/$(f)/%),$(tests))
	@tools/run-tests.sh $^

# One libc only: where the machine has arm64's own, the cross compiler's beside it would be a second,
# and threads of a program that maps both hang.
QEMU_ARM64 = qemu-aarch64 $(if $(wildcard /lib/ld-linux-aarch64.so.1),,-L /usr/aarch64-linux-gnu)
arm64:         ## cross build for AArch64, tests under qemu
	@HONE_TEST_RUNNER='$(QEMU_ARM64)' $(MAKE) --no-print-directory $(LEAN) CROSS=aarch64-linux-gnu- cross

arm32:         ## cross build for 32-bit ARM, tests under qemu
	@HONE_TEST_RUNNER='qemu-arm -L /usr/arm-linux-gnueabihf' $(MAKE) --no-print-directory $(LEAN) CROSS=arm-linux-gnueabihf- cross

fresh:         ## make demo and make test in a bare Debian 12 (as root; makes it in a temporary folder)
	@tools/fresh.sh

# ---- Checks without running: each also alone --------------------------------------------------
check: floors isa    ## floors, headers alone, licence lines, tabs, instruction sets kept apart
	@B=$(B) CC=$(CC) tools/check-headers.sh
	@tools/check-text.sh

isa: $(lib_o)  ## nothing of one instruction set leaks into common code
	@NM=$(CROSS)nm OBJDUMP=$(CROSS)objdump tools/check-isa.sh $(B) "$(ISAS)"

floors:        ## no include points up or sideways
	@awk -f tools/floors.awk $$(find src -name '*.[ch]')

sizes:         ## lines per floor, and the longest files
	@for f in $$(cat src/FLOORS); do test ! -d src/$$f || \
	    printf '%8d  %s\n' $$(find src/$$f -name '*.[ch]' | xargs cat | wc -l) src/$$f; done
	@find src -name '*.[ch]' | xargs wc -l | awk '$$2 != "total"' | sort -rn | head -n 10

# ---- Reference pages, made by the program from its own lists -----------------------------------
SUITE = build/onnx-backend-tests
doc: $(B)/hone ## write doc/commands.md and doc/operators.md
	@mkdir -p doc && $(B)/hone help --markdown > doc/commands.md
	@tools/suite.sh $(SUITE) && { $(B)/hone verify --suite $(SUITE) --report doc/operators.md | tail -n 1; }

# ---- Install ------------------------------------------------------------------------------------
# DESTDIR is for packagers: files go below it, what they say about themselves does not.
PUT = $(DESTDIR)$(PREFIX)
BASH_DIR = share/bash-completion/completions
ZSH_DIR  = share/zsh/site-functions
FISH_DIR = share/fish/vendor_completions.d
installed = bin/hone lib/hone/libhone-media.so lib/hone/libhone-system.so lib/libhone.so.$(SOVERSION) lib/libhone.so lib/libhone.a \
            lib/pkgconfig/hone.pc include/hone.h share/man/man1/hone.1 share/doc/hone/LICENSE \
            share/doc/hone/hone-agent.service \
            $(BASH_DIR)/hone $(ZSH_DIR)/_hone $(FISH_DIR)/hone.fish

install: all   ## program, library, header, man page, completion
	@mkdir -p $(addprefix $(PUT)/,$(sort $(dir $(installed))))
	install -m 755 $(B)/hone $(PUT)/bin/hone
	install -m 644 $(modules) $(PUT)/lib/hone/
	install -m 644 $(B)/libhone.so.$(SOVERSION) $(B)/libhone.a $(PUT)/lib/
	ln -sf libhone.so.$(SOVERSION) $(PUT)/lib/libhone.so
	install -m 644 include/hone.h $(PUT)/include/
	install -m 644 LICENSE examples/hone-agent.service $(PUT)/share/doc/hone/
	@printf '%s\n' 'prefix=$(PREFIX)' 'Name: hone' 'Description: run trained models on small machines' \
	    'Version: $(VERSION)' 'Libs: -L$${prefix}/lib -lhone' 'Libs.private: $(filter -l%,$(LIB_LIBS)) -pthread' \
	    'Cflags: -I$${prefix}/include' > $(PUT)/lib/pkgconfig/hone.pc
	@$(B)/hone help --man > $(PUT)/share/man/man1/hone.1
	@$(B)/hone help --completion bash > $(PUT)/$(BASH_DIR)/hone
	@$(B)/hone help --completion zsh > $(PUT)/$(ZSH_DIR)/_hone
	@$(B)/hone help --completion fish > $(PUT)/$(FISH_DIR)/hone.fish

uninstall:     ## remove what install put there
	rm -f $(addprefix $(PUT)/,$(installed))
	@rmdir $(PUT)/lib/hone $(PUT)/share/doc/hone 2>/dev/null || true

# ---- Benchmarks: bench/<noun>.c ---------------------------------------------------------------
$(B)/bench/%: $(B)/bench/%.o $(B)/libhone.a
	$(Q)$(LINK) -o $@ $^ $(LIB_LIBS)

bench-kernels: $(B)/bench/kernels    ## every kernel as a share of this core's peak; ONLY=gemm for some
	@$< $(ONLY)

clean:         ## remove every build
	rm -rf build

Q = $(if $(V),,@)
-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:
