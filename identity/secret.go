package identity

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

const (
	// secretLength is the number of random characters in a secret: clients of the Blink API know it so.
	secretLength = 64
	maxPrefix    = 16
	alphabet     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	// fair is the largest multiple of the alphabet's length that a byte can count: bytes from here on are dropped, so
	// that no character is likelier than another.
	fair = 256 - 256%len(alphabet)
)

// SecretHash is the SHA-256 of an API key's secret: all that is stored of it.
type SecretHash [sha256.Size]byte

// NewSecret draws a secret: prefix, underscore and 64 random alphanumerics. random is crypto/rand.Reader outside of
// tests. The prefix is 1 to 16 ASCII letters and digits.
func NewSecret(prefix string, random io.Reader) (string, error) {
	if err := checkPrefix(prefix); err != nil {
		return "", err
	}
	secret := append(make([]byte, 0, len(prefix)+1+secretLength), prefix...)
	secret = append(secret, '_')
	var block [secretLength]byte
	for missing := secretLength; missing > 0; {
		if _, err := io.ReadFull(random, block[:]); err != nil {
			return "", fmt.Errorf("the random source failed: %w", err)
		}
		for _, b := range block {
			if int(b) < fair && missing > 0 {
				secret = append(secret, alphabet[int(b)%len(alphabet)])
				missing--
			}
		}
	}
	return string(secret), nil
}

func checkPrefix(prefix string) error {
	if prefix == "" || len(prefix) > maxPrefix {
		return fmt.Errorf("the prefix of a secret has 1 to %d characters, %q has %d", maxPrefix, prefix, len(prefix))
	}
	for _, c := range []byte(prefix) {
		if !alphanumeric(c) {
			return fmt.Errorf("the prefix of a secret is letters and digits, %q is not", prefix)
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Hash is what the ledger stores and finds a key by.
func Hash(secret string) SecretHash { return sha256.Sum256([]byte(secret)) }

// isSecret tells without any look-up what cannot be a secret of ours. No prefix: any that is well formed.
func isSecret(s, ours string) bool {
	prefix, random, _ := strings.Cut(s, "_")
	if ours != "" && prefix != ours || checkPrefix(prefix) != nil || len(random) != secretLength {
		return false
	}
	for _, c := range []byte(random) {
		if !alphanumeric(c) {
			return false
		}
	}
	return true
}
