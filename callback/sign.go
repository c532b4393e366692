package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Secrets derives the secret of each endpoint from the master secret. The zero value has none.
type Secrets struct{ master string }

// NewSecrets takes the master secret of the configuration; empty: there are no secrets.
func NewSecrets(master string) Secrets { return Secrets{master: master} }

// Set reports whether endpoints have secrets.
func (s Secrets) Set() bool { return s.master != "" }

// Of is the secret of an endpoint, as its owner is shown it once: whsec_ and base64. Empty without a master secret.
func (s Secrets) Of(endpoint uuid.UUID) string {
	if !s.Set() {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(s.master))
	mac.Write([]byte("callback endpoint " + endpoint.String())) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// headers are those of the Standard Webhooks specification.
func (c Call) headers() (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"holdfast-callbacks"}}
	h.Set(standardwebhooks.HeaderWebhookID, c.ID.String())
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(c.At.Unix(), 10))
	if c.Secret == "" {
		return h, nil
	}
	key, err := standardwebhooks.NewWebhook(c.Secret)
	if err != nil {
		return nil, err
	}
	signature, err := key.Sign(c.ID.String(), c.At, c.Body)
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return h, err
}
