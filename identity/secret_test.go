package identity_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-pay/holdfast/identity"
)

// Invariant 1: the shape of a secret, and no two alike.
func TestSecretShape(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^dev_[A-Za-z0-9]{64}$`)
	seen := map[string]bool{}
	for range 200 {
		secret, err := identity.NewSecret("dev", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !shape.MatchString(secret) {
			t.Fatalf("the secret has the wrong shape: %d characters", len(secret))
		}
		if seen[secret] {
			t.Fatal("the same secret twice")
		}
		seen[secret] = true
	}
}

// Invariant 1: each character equally likely, within six standard deviations; bytes modulo 62 would miss by nine.
func TestSecretIsUniform(t *testing.T) {
	t.Parallel()
	counts := map[rune]int{}
	const secrets = 2000
	for range secrets {
		secret, err := identity.NewSecret("x", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range strings.TrimPrefix(secret, "x_") {
			counts[c]++
		}
	}
	if len(counts) != 62 {
		t.Errorf("%d different characters, want 62", len(counts))
	}
	mean := float64(secrets*64) / 62
	for c, n := range counts {
		if math.Abs(float64(n)-mean) > 6*math.Sqrt(mean) {
			t.Errorf("%q came %d times, the mean is %.0f", c, n, mean)
		}
	}
}

// Invariant 1: bytes that would make some characters likelier are dropped, not wrapped around.
func TestUnfairBytesAreDropped(t *testing.T) {
	t.Parallel()
	source := io.MultiReader(bytes.NewReader(bytes.Repeat([]byte{248, 255}, 32)), bytes.NewReader(bytes.Repeat([]byte{1}, 64)))
	secret, err := identity.NewSecret("x", source)
	if err != nil {
		t.Fatal(err)
	}
	if want := "x_" + strings.Repeat("B", 64); secret != want {
		t.Fatalf("got %s, want %s", secret, want)
	}
}

func TestSecretErrors(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "a b", "a_b", "é", strings.Repeat("a", 17)} {
		if _, err := identity.NewSecret(prefix, rand.Reader); err == nil {
			t.Errorf("prefix %q was accepted", prefix)
		}
	}
	broken := errors.New("no entropy")
	if _, err := identity.NewSecret("x", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a failing source gave %v", err)
	}
	if _, err := identity.NewSecret("x", strings.NewReader("short")); err == nil {
		t.Error("a source that ends early was accepted")
	}
}

// Invariant 2.
func TestHash(t *testing.T) {
	t.Parallel()
	secret, err := identity.NewSecret("dev", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hash := identity.Hash(secret)
	if hash != sha256.Sum256([]byte(secret)) {
		t.Error("the hash is not SHA-256")
	}
}
