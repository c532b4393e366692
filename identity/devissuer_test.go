package identity_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// The development login takes the way of production: its tokens are believed by the key set that it serves.
func TestDevelopmentLogin(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "development.key")
	dev, err := identity.NewDevIssuer(file, noon)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(dev)
	t.Cleanup(server.Close)
	served := dev.Issuer()
	served.JWKS, served.JWKSURL = nil, server.URL
	account := uuid.New()
	token, err := dev.Mint(account, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, issuer := range map[string]identity.Issuer{"in the process": dev.Issuer(), "over HTTP": served} {
		who, err := door(t, identity.Config{Issuer: issuer}).Authenticate(t.Context(), identity.Credentials{Bearer: token})
		if err != nil || who.AccountID != account || !who.IsSession() || !who.Has(payment.ScopeRead) || !who.Has(payment.ScopeWrite) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	later := func() time.Time { return noon().Add(61 * time.Minute) }
	who, err := door(t, identity.Config{Issuer: dev.Issuer(), Clock: later}).Authenticate(t.Context(), identity.Credentials{Bearer: token})
	wantReason(t, who, err, payment.ReasonUnauthenticated, token)
	if _, err := dev.Mint(uuid.Nil, time.Hour); err == nil {
		t.Error("a token for nobody")
	}
	if _, err := dev.Mint(account, 0); err == nil {
		t.Error("a token without a life")
	}
	if strings.Contains(string(dev.JWKS()), `"d"`) {
		t.Error("the key set tells the private key")
	}
}

func TestDevelopmentKeyIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "development.key")
	var all sync.WaitGroup
	var mu sync.Mutex
	sets := map[string]bool{}
	for range 20 { // processes that start at once
		all.Go(func() {
			dev, err := identity.NewDevIssuer(file, noon)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			sets[string(dev.JWKS())] = true
		})
	}
	all.Wait()
	if len(sets) != 1 {
		t.Errorf("%d different keys", len(sets))
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDevelopmentKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if _, err := identity.NewDevIssuer(good, noon); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.NewDevIssuer(open, noon); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others can read: %v", err)
	}
	for name, bad := range map[string]string{
		"empty": "", "words": "hello", "half": string(text[:len(text)/2]),
		"other": "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := identity.NewDevIssuer(file, noon); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := identity.NewDevIssuer(filepath.Join(dir, "none", "key"), noon); err == nil {
		t.Error("a folder that is missing was passed over")
	}
}
