# SPDX-License-Identifier: Apache-2.0
# Hone: `make help` lists the targets.  Nothing here names a source file: wildcards find them.
#
# Options: DEBUG=1   no optimisation, assertions kept
#          SAN=address,undefined (or thread)   a sanitizer build, in its own folder
#          CC=clang-14, CROSS=aarch64-linux-gnu-   another compiler or machine
#          WERROR=1  warnings are errors (CI)

CROSS   ?=
CC       = $(CROSS)gcc
AR       = $(CROSS)ar
VERSION := $(shell sed -n 's/.*HONE_VERSION "\(.*\)"/\1/p' include/hone.h)
SOVERSION = 0
PREFIX  ?= /usr/local
MACHINE := $(shell $(CC) -dumpmachine | cut -d- -f1)

# The build folder says what it holds, so variants never mix.
B ?= build/$(MACHINE)$(if $(filter clang%,$(notdir $(CC))),-clang)$(if $(DEBUG),-debug)$(if $(SAN),-$(firstword $(subst $(comma), ,$(SAN))))
comma := ,

CFLAGS ?= $(if $(DEBUG),-O0,-O2) -g
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-missing-field-initializers \
       $(if $(WERROR),-Werror)
# No contraction: a fused add happens only where the code says so, or twins would differ.
ALL = -std=c11 -D_GNU_SOURCE -I. -Isrc -Iinclude -I$(B)/gen -fPIC -fvisibility=hidden -pthread \
      -ffp-contract=off -fno-math-errno $(if $(DEBUG),,-DNDEBUG) \
      $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
      $(WARN) $(CFLAGS) -MMD -MP
LINK = $(CC) -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)

# ---- What is built from what -----------------------------------------------------------
LIB_FLOORS = base tensor kernels graph formats runtime cost llm train compress api
lib_c  := $(filter-out %.k.c,$(foreach f,$(LIB_FLOORS),$(shell find src/$(f) -name '*.c' 2>/dev/null)))
cli_c  := $(shell find src/cli -name '*.c' 2>/dev/null)
media_c := $(shell find src/media -name '*.c' 2>/dev/null)
k_c    := $(shell find src/kernels -name '*.k.c' 2>/dev/null)

ISAS_x86_64  = scalar avx2
ISAS_aarch64 = scalar neon
ISAS  = $(or $(ISAS_$(MACHINE)),scalar)
flags_avx2 = -mavx2 -mfma -mf16c

ALL_pick = '-DHN_ISAS(X)=$(foreach i,$(ISAS),X($i))'

lib_o := $(lib_c:%.c=$(B)/%.o) $(foreach i,$(ISAS),$(k_c:%.k.c=$(B)/%.$(i).o))
cli_o := $(cli_c:%.c=$(B)/%.o)
media_o := $(media_c:%.c=$(B)/%.o)

.PHONY: all help examples cli-tests
all: $(B)/hone $(B)/libhone-media.so $(B)/libhone.a $(B)/libhone.so.$(SOVERSION)    ## program and library

help:          ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL) $(ALL_$(notdir $*)) -c $< -o $@

define per_isa
$(B)/%.$1.o: %.k.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL) -DHN_ISA=$1 -DHN_ISA_$1 $$(flags_$1) -c $$< -o $$@
endef
$(foreach i,$(ISAS),$(eval $(call per_isa,$(i))))

$(B)/libhone.a: $(lib_o)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

LIB_LIBS = -lm
$(B)/hone: $(cli_o) $(B)/libhone.a
	$(Q)$(LINK) -o $@ $^ -ljansson -ldl $(LIB_LIBS)

# Pictures live apart, so that the program starts without their libraries.
$(B)/libhone-media.so: $(media_o) $(B)/libhone.a
	$(Q)$(LINK) -shared -Wl,--exclude-libs,ALL -Wl,-z,defs -o $@ $^ -ljpeg -lpng $(LIB_LIBS)

$(B)/libhone.so.$(SOVERSION): $(lib_o) libhone.map
	$(Q)$(LINK) -shared -Wl,-soname,libhone.so.$(SOVERSION) -Wl,--version-script=libhone.map -Wl,-z,defs \
	    -o $@ $(lib_o) $(LIB_LIBS)

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
$(support_o) $(tests:=.o): ALL += $(TEST_FLAGS)
$(B)/tests/%: $(B)/tests/%.o $(support_o) $(B)/libhone.a
	$(Q)$(LINK) -o $@ $^ $(TEST_LIBS) $(LIB_LIBS)

quick: $(tests) $(B)/hone    ## unit tests only, in seconds
	@tools/run-tests.sh $(tests)

cli-tests: $(B)/hone $(B)/libhone-media.so $(examples)   ## commands against tests/cli/*.test
	@tools/cli-tests.sh $(B) tests/cli/*.test

# ---- Fuzzing: fuzz/<name>.c with seeds in fuzz/seeds/<name>/; crashes become seeds ---------
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang-14
F = build/fuzz
fuzz_names := $(basename $(notdir $(wildcard fuzz/*.c)))
.PHONY: fuzz
fuzz: $(fuzz_names:%=fuzz-%)    ## each target for FUZZ_SECONDS
	@for name in $(fuzz_names); do mkdir -p $(F)/corpus/$$name; \
	    $(F)/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	        -artifact_prefix=$(F)/$$name- $(F)/corpus/$$name fuzz/seeds/$$name || exit 1; done

# What a target links besides the library: pictures need the media floor, graphs what tests share.
fuzz_pictures = $(media_c:%.c=$(F)/obj/%.o)
fuzz_more_bmp = $(fuzz_pictures)
fuzz_more_png = $(fuzz_pictures)
fuzz_more_jpeg = $(fuzz_pictures)
fuzz_more_graph = $(patsubst %,$(F)/obj/tests/support/%.o,agree random)
FUZZ_MAKE = $(MAKE) --no-print-directory B=$(F)/obj CC=$(FUZZ_CC) SAN=fuzzer-no-link,address,undefined

.PHONY: fuzzable
fuzzable:                       # once, before targets that may be built side by side
	+$(Q)$(FUZZ_MAKE) $(F)/obj/libhone.a $(fuzz_pictures) $(fuzz_more_graph)

fuzz-%: fuzzable
	+$(Q)$(FUZZ_MAKE) $(F)/obj/fuzz/$*.o
	$(Q)$(FUZZ_CC) -pthread -fsanitize=fuzzer,address,undefined -o $(F)/$* $(F)/obj/fuzz/$*.o $(fuzz_more_$*) \
	    $(F)/obj/libhone.a $(if $(findstring media,$(fuzz_more_$*)),-ljpeg -lpng) $(LIB_LIBS)

# The floors that other machines run under an emulator; the engine whole.
CROSS_FLOORS = base tensor kernels graph formats runtime
cross: $(filter $(foreach f,$(CROSS_FLOORS),$(B)/tests/$(f)/%),$(tests))
	@tools/run-tests.sh $^

arm64:         ## cross build for AArch64, tests under qemu
	@HONE_TEST_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu' $(MAKE) --no-print-directory CROSS=aarch64-linux-gnu- cross

arm32:         ## cross build for 32-bit ARM, tests under qemu
	@HONE_TEST_RUNNER='qemu-arm -L /usr/arm-linux-gnueabihf' $(MAKE) --no-print-directory CROSS=arm-linux-gnueabihf- cross

# ---- Benchmarks: bench/<noun>.c ---------------------------------------------------------------
$(B)/bench/%: $(B)/bench/%.o $(B)/libhone.a
	$(Q)$(LINK) -o $@ $^ $(LIB_LIBS)

bench-kernels: $(B)/bench/kernels    ## every kernel as a share of this core's peak; ONLY=gemm for some
	@$< $(ONLY)

isa: $(lib_o)  ## nothing of one instruction set leaks into common code
	@NM=$(CROSS)nm OBJDUMP=$(CROSS)objdump tools/check-isa.sh $(B) "$(ISAS)"

floors:        ## no include points up or sideways
	@awk -f tools/floors.awk $$(find src -name '*.[ch]')

clean:         ## remove every build
	rm -rf build

Q = $(if $(V),,@)
-include $(shell find $(B) -name '*.d' 2>/dev/null)
.SECONDARY:
