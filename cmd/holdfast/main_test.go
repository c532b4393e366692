package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
)

// TestMain lets this binary be the worker and the API of a network that a test starts: the network runs its own executable.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "worker" || os.Args[1] == "api") {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(int(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))) //nolint:gocritic // nothing else to stop
	}
	ledgertest.Main(m)
}

// answer is what a command did.
type answer struct {
	code     show.Code
	out, err string
}

// holdfast runs a command with an environment of its own.
func holdfast(t *testing.T, env map[string]string, args ...string) answer {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), args, settings.From(env), &out, &errOut)
	return answer{code: code, out: out.String(), err: errOut.String()}
}

// ask runs a command with --json, expects a code, and reads its answer.
func ask[T any](t *testing.T, env map[string]string, want show.Code, args ...string) T {
	t.Helper()
	var value T
	got := holdfast(t, env, append(args, "--json")...)
	if got.code != want {
		t.Fatalf("%s: code %d, want %d\n%s%s", strings.Join(args, " "), got.code, want, got.out, got.err)
	}
	text := got.out
	if text == "" {
		text = got.err
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s: %v in %s", strings.Join(args, " "), err, text)
	}
	return value
}

// failed is an error in JSON.
type failed struct {
	Error show.Failure `json:"error"`
}
