# Two commands do everything on a fresh Linux machine with Go, Python 3 and pip:
#   make demo   the study on MovieLens 100K with SmolLM2-135M
#   make test   all tests
# Whatever they get lies in bin/ and in the user's cache directory (~/.cache/lsat).

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Go's vector instructions make the Go backend about five times faster. A toolchain that does not know the experiment builds without.
ifeq ($(origin GOEXPERIMENT),undefined)
SIMD := $(shell GOEXPERIMENT=simd go env GOEXPERIMENT 2>/dev/null)
ifneq ($(SIMD),)
export GOEXPERIMENT := simd
endif
endif

# XLA is reached through cgo, which wants a C compiler. Where there is none, the Zig package of the Python package index is one.
ZIG_VERSION := 0.15.1
ifeq ($(origin CC),default)
ifeq ($(shell command -v gcc || command -v clang || command -v cc),)
export CC := $(CURDIR)/bin/zig-cc
export CGO_ENABLED := 1
CC_NEEDED := bin/zig-cc
endif
endif

DEMO_OUT ?= runs/demo
BENCH ?=
SCALE ?=
TEST_TIMEOUT ?= 14m
TESTS ?= ./...

BIG_SHAPE ?= llama-2-7b
BIG_DIR ?= runs/bigmodel

.PHONY: help build plugin demo test lint vet fmt clean bench bench-7b bench-scale

help: ## what there is to make
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: $(CC_NEEDED) ## bin/lsat
	@mkdir -p bin
	go build -o bin/lsat ./cmd/lsat

# Without the plugin everything works on the Go backend, slower: its absence is told, and is no failure.
plugin: build ## XLA's plugin for the CPU
	@bin/lsat pull pjrt-cpu >/dev/null || echo "make: no XLA plugin: going on with the Go backend, which is slower"

demo: build plugin ## the main job, from nothing: download, train, compare, report
	@bin/lsat pull smollm2-135m-instruct ml-100k >/dev/null
	bin/lsat study configs/demo.yaml --out $(DEMO_OUT)

test: build plugin ## all tests; those whose model or data cannot be had are skipped, and say so
	@for name in smollm2-135m-instruct ml-100k; do \
	  bin/lsat pull $$name >/dev/null || echo "make: no $$name: the tests that need it are skipped"; done
	@set -o pipefail; go test -json -timeout $(TEST_TIMEOUT) $(TESTS) | go run ./scripts/testsum

# BENCH takes the benchmark's options, e.g. BENCH="--only 1,3 --rounds 5 --stop-after 10m"; an interrupted benchmark goes on.
bench: plugin ## lsat beside PEFT, Transformers and llama.cpp, in turns; writes docs/BENCHMARKS.md
	@bin/lsat pull smollm2-135m-instruct >/dev/null
	@test -d ../shared/data/ml-1m || bin/lsat pull ml-1m >/dev/null || bin/lsat pull ml-100k >/dev/null
	scripts/bench/peers/setup.sh
	go build -o bin/bench ./scripts/bench
	bin/bench $(BENCH)

bench-7b: plugin ## load, score with and train a model of 7 billion generated weights: 14 GB of disk, 16 GB of memory
	go build -o bin/bigmodel ./scripts/bigmodel
	bin/bigmodel write --shape $(BIG_SHAPE) $(BIG_DIR)
	bin/bigmodel run $(BIG_DIR)
	rm -r $(BIG_DIR)

# SCALE takes options, e.g. SCALE="--sizes 10000,100000"; sizes that are measured already are kept.
bench-scale: plugin ## time and memory of training and scoring from 10 thousand to 1 million targets, as a table in Markdown: about 12 minutes
	go build -o bin/scale ./scripts/scale
	bin/scale $(SCALE)

lint: ## golangci-lint, the version pinned in .ci/lint
	.ci/lint

vet: $(CC_NEEDED) ## go vet
	go vet ./...

fmt: ## gofmt
	gofmt -w $$(git ls-files '*.go')

clean: ## remove bin/; the cache stays
	rm -rf bin

bin/zig-cc:
	@mkdir -p bin
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target bin/zig ziglang==$(ZIG_VERSION)
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec python3 -m ziglang cc "$$@"\n' "$(CURDIR)/bin/zig" > $@
	@chmod +x $@
