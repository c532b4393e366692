package codec

import (
	"crypto/cipher"
	"encoding/base64"
	"regexp"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/holdfast-pay/holdfast/payment"
)

// Keys seal with the first and open with any. The zero value seals nothing.
type Keys struct {
	first string
	boxes map[string]cipher.AEAD
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ParseKeys reads "id:key" pairs, separated by commas; a key is 32 bytes in base64. Empty text: no keys. Errors:
// ReasonInvalidInput, which says what is wrong and no key.
func ParseKeys(text string) (Keys, error) {
	keys := Keys{boxes: map[string]cipher.AEAD{}}
	if strings.TrimSpace(text) == "" {
		return keys, nil
	}
	for _, pair := range strings.Split(text, ",") {
		id, encoded, _ := strings.Cut(strings.TrimSpace(pair), ":")
		if !keyID.MatchString(id) {
			return Keys{}, invalidKeys("the id of a key has 1 to 64 letters, digits, dots, hyphens and underscores")
		}
		if keys.boxes[id] != nil {
			return Keys{}, invalidKeys("the id " + id + " is there twice")
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) != chacha20poly1305.KeySize {
			return Keys{}, invalidKeys("the key " + id + " is not 32 bytes in base64 (openssl rand -base64 32)")
		}
		box, err := chacha20poly1305.NewX(key)
		if err != nil {
			return Keys{}, invalidKeys("the key " + id + " does not fit")
		}
		keys.boxes[id] = box
		if keys.first == "" {
			keys.first = id
		}
	}
	return keys, nil
}

// None reports whether there is nothing to seal with.
func (k Keys) None() bool { return len(k.boxes) == 0 }

func invalidKeys(why string) error {
	return payment.Errorf(payment.ReasonInvalidInput, "Payload keys are id:key pairs, separated by commas: %s.", why)
}
