package identity_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestCredentialsOfHeader(t *testing.T) {
	t.Parallel()
	key, token := identity.Credentials{APIKey: "k"}, identity.Credentials{Bearer: "t"}
	for _, c := range []struct {
		name   string
		header http.Header
		want   identity.Credentials
		bad    bool
	}{
		{"none", http.Header{}, identity.Credentials{}, false},
		{"empty ones", http.Header{"X-Api-Key": {" "}, "Authorization": {""}}, identity.Credentials{}, false},
		{"a key", http.Header{"X-Api-Key": {"k"}}, key, false},
		{"a token", http.Header{"Authorization": {"Bearer t"}}, token, false},
		{"the scheme in another case", http.Header{"Authorization": {"bEARER   t "}}, token, false},
		{"both", http.Header{"X-Api-Key": {"k"}, "Authorization": {"Bearer t"}}, identity.Credentials{}, true},
		{"two keys", http.Header{"X-Api-Key": {"k", "k"}}, identity.Credentials{}, true},
		{"two tokens", http.Header{"Authorization": {"Bearer t", "Bearer t"}}, identity.Credentials{}, true},
		{"another scheme", http.Header{"Authorization": {"Basic dTpw"}}, identity.Credentials{}, true},
		{"no scheme", http.Header{"Authorization": {"t"}}, identity.Credentials{}, true},
		{"no token", http.Header{"Authorization": {"Bearer "}}, identity.Credentials{}, true},
		{"a huge key", http.Header{"X-Api-Key": {strings.Repeat("k", 100)}}, identity.Credentials{}, true},
		{"a huge token", http.Header{"Authorization": {"Bearer " + strings.Repeat("t", 9<<10)}}, identity.Credentials{}, true},
	} {
		got, err := identity.CredentialsOfHeader(c.header)
		if got != c.want || c.bad != payment.IsReason(err, payment.ReasonUnauthenticated) || !c.bad && err != nil {
			t.Errorf("%s: %#v, %v", c.name, got, err)
		}
	}
}

func TestCredentialsOfParams(t *testing.T) {
	t.Parallel()
	key, token := identity.Credentials{APIKey: "k"}, identity.Credentials{Bearer: "t"}
	for _, c := range []struct {
		name   string
		params map[string]any
		want   identity.Credentials
		bad    bool
	}{
		{"none", nil, identity.Credentials{}, false},
		{"others", map[string]any{"headers": map[string]any{}, "n": 5}, identity.Credentials{}, false},
		{"null", map[string]any{"Authorization": nil}, identity.Credentials{}, false},
		{"a key", map[string]any{"X-API-KEY": "k"}, key, false},
		{"a key in another case", map[string]any{"x-api-Key": "k"}, key, false},
		{"a token", map[string]any{"Authorization": "Bearer t"}, token, false},
		{"a token in another case", map[string]any{"authorization": "bearer t"}, token, false},
		{"both", map[string]any{"Authorization": "Bearer t", "X-API-KEY": "k"}, identity.Credentials{}, true},
		{"the same in two cases", map[string]any{"Authorization": "Bearer t", "authorization": "Bearer t"}, identity.Credentials{}, true},
		{"no text", map[string]any{"X-API-KEY": 5.0}, identity.Credentials{}, true},
		{"a list", map[string]any{"Authorization": []any{"Bearer t"}}, identity.Credentials{}, true},
	} {
		got, err := identity.CredentialsOfParams(c.params)
		if got != c.want || c.bad != payment.IsReason(err, payment.ReasonUnauthenticated) || !c.bad && err != nil {
			t.Errorf("%s: %#v, %v", c.name, got, err)
		}
	}
}

// Invariant 4: secrets do not slip into a log.
func TestCredentialsHideTheirSecrets(t *testing.T) {
	t.Parallel()
	for _, c := range []identity.Credentials{{}, {APIKey: "sesame"}, {Bearer: "sesame"}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, c); strings.Contains(text, "sesame") {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
}

// FuzzCredentials: whatever comes, at most one of the two is taken, nothing is invented, and both doors agree.
func FuzzCredentials(f *testing.F) {
	f.Add("", "", "Authorization")
	f.Add("dev_abc", "", "authorization")
	f.Add("", "Bearer a.b.c", "AUTHORIZATION")
	f.Add("k", "Bearer t", "Authorization")
	f.Add("\x00", "bearer \xff", "authorization")
	f.Add(" ", "Bearer\t", "x-api-key")
	f.Fuzz(func(t *testing.T, key, authorization, name string) {
		header := http.Header{"X-Api-Key": {key}, "Authorization": {authorization}}
		got, err := identity.CredentialsOfHeader(header)
		if err != nil && (got != identity.Credentials{} || !payment.IsReason(err, payment.ReasonUnauthenticated)) {
			t.Fatalf("%#v with %v", got, err)
		}
		if got.APIKey != "" && got.Bearer != "" || !strings.Contains(key, got.APIKey) || !strings.Contains(authorization, got.Bearer) {
			t.Fatal("credentials that nobody sent")
		}
		same, sameErr := identity.CredentialsOfParams(map[string]any{"x-API-key": key, "authorization": authorization})
		if same != got || (err == nil) != (sameErr == nil) {
			t.Fatalf("a header gives %v, parameters give %v", err, sameErr)
		}
		if _, err := identity.CredentialsOfParams(map[string]any{name: authorization, "Authorization": key}); err != nil && !payment.IsReason(err, payment.ReasonUnauthenticated) {
			t.Fatal(err)
		}
	})
}
