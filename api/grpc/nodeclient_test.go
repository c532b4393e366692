package grpcapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

const nodeClient = "nodeclient"

// A client in another language, made from the protos by libraries that know nothing of us. It is skipped only where there
// is no node at all: where there is one, its packages must be to be had.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("node is not installed")
	}
	must(t, err)
	modules := nodeModules(t)
	// In production's way: with TLS and a token.
	certFile, keyFile, _ := certificate(t)
	server := secured(t, certFile, keyFile)
	wallet, friend := ledgertest.Funded(t, house.ledger, 10_000*sat), ledgertest.Funded(t, house.ledger, 0)
	key := ledgertest.NewKey(t, house.ledger, wallet.AccountID, map[payment.Window]payment.Sat{payment.Daily: 10_000})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	script := exec.CommandContext(ctx, node, filepath.Join(nodeClient, "client.js"))
	script.Env = append(os.Environ(), "NODE_NO_WARNINGS=1", "NODE_PATH="+modules, "HOLDFAST_GRPC="+server.address, "HOLDFAST_GRPC_TOKEN="+token, "HOLDFAST_GRPC_CA="+certFile,
		"API_KEY_ID="+key.ID.String(), "ACCOUNT_ID="+wallet.AccountID.String(), "WALLET_ID="+wallet.ID.String(), "RECIPIENT_ID="+friend.ID.String())
	out, err := script.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ok" {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := house.ledger.Wallet(t.Context(), friend.ID)
	if err != nil || got.Balance != 2_500*sat {
		t.Errorf("the friend has %v, %v", got.Balance, err)
	}
}

// nodeModules installs the pinned packages once into the user's cache, keyed by the lock file.
func nodeModules(t *testing.T) string {
	t.Helper()
	pins := map[string][]byte{}
	hash := sha256.New()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(nodeClient, name))
		must(t, err)
		pins[name] = content
		hash.Write(content)
	}
	cache, err := os.UserCacheDir()
	must(t, err)
	root := filepath.Join(cache, "holdfast", "npm")
	target := filepath.Join(root, "grpc-"+hex.EncodeToString(hash.Sum(nil)[:8]))
	modules := filepath.Join(target, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
	}
	must(t, os.MkdirAll(root, 0o755))
	fresh, err := os.MkdirTemp(root, "new-")
	must(t, err)
	defer os.RemoveAll(fresh) // gone if it was renamed
	for name, content := range pins {
		must(t, os.WriteFile(filepath.Join(fresh, name), content, 0o644))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = fresh
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, target); err != nil {
		if _, there := os.Stat(modules); there != nil { // another test process was faster
			t.Fatal(fmt.Errorf("%w; %w", err, there))
		}
	}
	return modules
}
