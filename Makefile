# Every target that a person needs has a "##" text: run `make` to see them.
.DEFAULT_GOAL := help
.PHONY: help build dev demo test check static generate drift protos format lint vet workflowcheck architecture race chaos bench clean

GO       ?= go
HOLDFAST := bin/holdfast
TOOL      = $(GO) tool -modfile=tools/$(1)/go.mod
# What the race detector watches: everything but the end-to-end tests, whose worker is a process of its own.
RACED     = $(shell $(GO) list ./... | grep -v -e /e2e -e /bench)

help: ## print this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

build: ## build bin/holdfast
	@$(GO) build -o $(HOLDFAST) ./cmd/holdfast

dev: build ## bring up Bitcoin, Lightning, Temporal, Postgres, a worker and the API on this machine; run the demo; stay until Ctrl-C
	$(HOLDFAST) dev

demo: build ## run the demo on the running network, or on one of its own, and exit
	$(HOLDFAST) demo

# Never from Go's cache: the tests build the worker that they run by `go build`, and the cache does not see that it has changed.
test: ## run all tests, real nodes included
	$(GO) test -count=1 -timeout 25m ./...

check: static race ## what CI checks: generated code, format, lint, vet, determinism, architecture, all tests with the race detector

static: drift protos format lint vet workflowcheck architecture

generate: ## write the generated code again
	$(GO) generate ./...

drift: generate
	@git diff --exit-code --stat -- '*/internal/db' '*.pb.go' 'api/graphql/generated' ARCHITECTURE.md || { echo "generated code is stale: commit what 'make generate' wrote"; exit 1; }

protos: # buf's style, and nothing that breaks an existing client
	cd proto && $(GO) tool -modfile=../tools/buf/go.mod buf lint
	cd proto && $(GO) tool -modfile=../tools/buf/go.mod buf breaking --against baseline.binpb

format:
	@out=$$(gofmt -l $$(git ls-files '*.go' | grep -v -e /internal/db/ -e /generated/ -e /gen/)); test -z "$$out" || { echo "gofmt -w these files:"; echo "$$out"; exit 1; }

lint:
	$(call TOOL,lint) golangci-lint run

vet:
	$(GO) vet ./...
	$(GO) vet -tags chaos ./e2e

workflowcheck:
	$(call TOOL,workflowcheck) workflowcheck ./workflows/...

architecture:
	$(GO) test -count=1 .

# Short: the detector needs each path once. `make test` runs the models and the program's own networks in full.
race:
	$(GO) test -race -short -timeout 25m $(RACED)

chaos: ## kill a node in the middle of its own commitments; spoils its network, so that it runs alone
	$(GO) test -tags chaos -run TestNodeKilledWhileSending -count=1 -v ./e2e

bench: ## measure, side by side, and write bench/results/
	$(GO) test -run '^$$' -bench . -benchtime 2s -timeout 30m ./bench/...

clean: build ## stop what a killed network left behind and remove its state
	$(HOLDFAST) devnet clean
