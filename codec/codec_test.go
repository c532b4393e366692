package codec_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/payment"
)

func key(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }

func keys(t testing.TB, text string) codec.Keys {
	t.Helper()
	k, err := codec.ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t testing.TB, k codec.Keys, value any) *commonpb.Payload {
	t.Helper()
	values, _ := k.Converters()
	payload, err := values.ToPayload(value)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// Invariants 1 and 3.
func TestSealedOpensWithItsKeyOnly(t *testing.T) {
	t.Parallel()
	old, both, other := keys(t, "a:"+key(1)), keys(t, "b:"+key(2)+", a:"+key(1)), keys(t, "a:"+key(3))
	payload := sealed(t, old, "lnbcrt50u1secret")
	if strings.Contains(payload.String(), "secret") {
		t.Fatalf("it can be read: %s", payload)
	}
	if again := sealed(t, old, "lnbcrt50u1secret"); bytes.Equal(again.Data, payload.Data) {
		t.Error("the same value is sealed to the same text")
	}
	for name, c := range map[string]struct {
		with codec.Keys
		what *commonpb.Payload
		want bool
	}{
		"the same key":         {old, payload, true},
		"the old key of two":   {both, payload, true},
		"the new key, alone":   {keys(t, "b:"+key(2)), payload, false},
		"another key, same id": {other, payload, false},
		"the new key sealed":   {both, sealed(t, both, "lnbcrt50u1secret"), true},
		"which the old cannot": {old, sealed(t, both, "lnbcrt50u1secret"), false},
		"no keys":              {codec.Keys{}, payload, false},
		"changed": {old, &commonpb.Payload{
			Metadata: payload.Metadata, Data: append([]byte{payload.Data[0] ^ 1}, payload.Data[1:]...),
		}, false},
		"cut":   {old, &commonpb.Payload{Metadata: payload.Metadata, Data: payload.Data[:10]}, false},
		"empty": {old, &commonpb.Payload{Metadata: payload.Metadata}, false},
	} {
		var text string
		values, _ := c.with.Converters()
		err := values.FromPayload(c.what, &text)
		if (err == nil && text == "lnbcrt50u1secret") != c.want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if err != nil && strings.Contains(err.Error(), key(1)) {
			t.Errorf("%s: the error tells a key", name)
		}
	}
}

// Invariant 2.
func TestWhatNobodySealedPasses(t *testing.T) {
	t.Parallel()
	plain, err := converter.GetDefaultDataConverter().ToPayload("plain")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []codec.Keys{{}, keys(t, ""), keys(t, "a:"+key(1))} {
		opened, err := k.Decode([]*commonpb.Payload{plain, {}})
		if err != nil || !proto.Equal(opened[0], plain) {
			t.Errorf("%v, %v", opened, err)
		}
	}
	if kept, err := (codec.Keys{}).Encode([]*commonpb.Payload{plain}); err != nil || !proto.Equal(kept[0], plain) {
		t.Errorf("without keys: %v, %v", kept, err)
	}
}

func TestFailuresAreSealed(t *testing.T) {
	t.Parallel()
	_, failures := keys(t, "a:"+key(1)).Converters()
	failure := failures.ErrorToFailure(errors.New("no route to 02abc"))
	if strings.Contains(failure.String(), "02abc") {
		t.Errorf("it can be read: %s", failure)
	}
	if err := failures.FailureToError(failure); err == nil || !strings.Contains(err.Error(), "02abc") {
		t.Errorf("it opens to %v", err)
	}
}

func TestKeysThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a", "a:", ":" + key(1), "a:short", "a:" + key(1) + ",a:" + key(2), "a b:" + key(1), "a:" + key(1) + ",", "a:" + key(1)[:40], strings.Repeat("a", 65) + ":" + key(1),
	} {
		_, err := codec.ParseKeys(text)
		if !payment.IsReason(err, payment.ReasonInvalidInput) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), key(1)[:40]) {
			t.Errorf("the error tells a key: %v", err)
		}
	}
}

// Invariant 4, and what a browser may.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	const ui = "http://ui.example"
	k := keys(t, "a:"+key(1))
	server := httptest.NewServer(k.Handler([]string{ui}))
	t.Cleanup(server.Close)
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{sealed(t, k, "lnbcrt50u1secret")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, path, origin, body string
		status                     int
	}{
		"open":            {"POST", "/decode", ui, string(body), 200},
		"without browser": {"POST", "/decode", "", string(body), 200},
		"preflight":       {"OPTIONS", "/decode", ui, "", 204},
		"other origin":    {"POST", "/decode", "http://evil.example", string(body), 403},
		"other preflight": {"OPTIONS", "/decode", "http://evil.example", "", 403},
		"seal":            {"POST", "/encode", ui, string(body), 404},
		"read":            {"GET", "/decode", ui, "", 405},
		"nonsense":        {"POST", "/decode", ui, "{", 400},
		"strangers' text": {"POST", "/decode", ui, strings.Replace(string(body), `"data":"`, `"data":"AAAA`, 1), 400},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.origin != "" {
			request.Header.Set("Origin", c.origin)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer := new(bytes.Buffer)
		_, _ = answer.ReadFrom(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: HTTP %d: %s", name, response.StatusCode, answer)
		}
		if allowed := response.Header.Get("Access-Control-Allow-Origin"); c.origin == ui && allowed != ui || c.origin != ui && allowed != "" {
			t.Errorf("%s: allowed for %q", name, allowed)
		}
		if c.status == 200 && !strings.Contains(answer.String(), base64.StdEncoding.EncodeToString([]byte(`"lnbcrt50u1secret"`))) {
			t.Errorf("%s: %s", name, answer)
		}
	}
}

// FuzzDecode: whatever is stored, opening it never panics and never gives what was not sealed.
func FuzzDecode(f *testing.F) {
	k := keys(f, "a:"+key(1))
	f.Add([]byte("a"), sealed(f, k, "x").Data)
	f.Add([]byte("b"), []byte{})
	f.Fuzz(func(t *testing.T, id, data []byte) {
		own := sealed(t, k, "x")
		payload := &commonpb.Payload{Metadata: map[string][]byte{"encoding": own.Metadata["encoding"], "holdfast-key": id}, Data: data}
		opened, err := k.Decode([]*commonpb.Payload{payload})
		if err == nil && string(opened[0].GetData()) != `"x"` {
			t.Errorf("%x opened to %s", data, opened[0])
		}
	})
}
