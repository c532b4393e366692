package callback_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/holdfast-pay/holdfast/callback"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func send(t *testing.T, url string) callback.Answer {
	t.Helper()
	answer, err := callback.NewClient(true).Within(2*time.Second).Send(t.Context(), callback.Call{ID: uuid.New(), URL: url, Body: []byte("{}"), At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestStatusesDecide(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ delivered, gone bool }{
		200: {true, false}, 201: {true, false}, 204: {true, false}, 400: {}, 404: {}, 410: {false, true}, 429: {}, 500: {}, 503: {},
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		got := send(t, url+"/hook?token=secret")
		if got.Status != status || got.Delivered() != want.delivered || got.Gone() != want.gone || (got.Why == "") != want.delivered || strings.Contains(got.Why, "secret") {
			t.Errorf("%d: %+v", status, got)
		}
	}
}

// What the message is: one POST, signed so that the specification's own verifier takes it.
func TestTheMessageIsSigned(t *testing.T) {
	t.Parallel()
	secret := callback.NewSecrets("a master secret of some length").Of(uuid.New())
	key, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	call := callback.Call{ID: uuid.New(), Body: []byte(`{"eventType":"receive.lightning"}`), Secret: secret, At: time.Now()}
	call.URL = serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := key.Verify(body, r.Header); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("webhook-id") != call.ID.String() || string(body) != string(call.Body) {
			t.Errorf("%s %v %q: %v", r.Method, r.Header, body, err)
		}
		if err := key.Verify(append(body, ' '), r.Header); err == nil {
			t.Error("another body has the same signature")
		}
	})
	if answer, err := callback.NewClient(true).Send(t.Context(), call); err != nil || !answer.Delivered() {
		t.Errorf("%+v, %v", answer, err)
	}
	call.Secret = ""
	call.URL = serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("webhook-signature") != "" || r.Header.Get("webhook-id") == "" {
			t.Errorf("without a secret: %v", r.Header)
		}
	})
	if answer, err := callback.NewClient(true).Send(t.Context(), call); err != nil || !answer.Delivered() {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	inside := serve(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside, http.StatusTemporaryRedirect)
	})
	if got := send(t, url); got.Delivered() || got.Status != http.StatusTemporaryRedirect || reached.Load() {
		t.Errorf("%+v, reached: %v", got, reached.Load())
	}
}

// A huge answer is not read: the endless one ends the call, and its status decides.
func TestHugeAnswersAreNotRead(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	ended := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		chunk := make([]byte, 32<<10)
		for {
			n, err := w.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	if got := send(t, url); !got.Delivered() {
		t.Errorf("%+v", got)
	}
	<-ended
	if n := written.Load(); n > 16<<20 {
		t.Errorf("%d bytes were taken", n)
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("x-%d", i), strings.Repeat("x", 2<<10))
		}
	})
	if got := send(t, url); got.Status != 0 || got.Why == "" {
		t.Errorf("%+v", got)
	}
}

// A silent endpoint, and one that sends its headers for ever, end with the time for the call.
func TestSlowEndpointsEnd(t *testing.T) {
	t.Parallel()
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	began := time.Now()
	answer, err := callback.NewClient(true).Within(150*time.Millisecond).Send(t.Context(), callback.Call{ID: uuid.New(), URL: url, At: began})
	if took := time.Since(began); err != nil || answer.Status != 0 || !strings.Contains(answer.Why, "did not answer") || took > 5*time.Second {
		t.Errorf("%+v, %v after %v", answer, err, took)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if answer, err := callback.NewClient(true).Send(gone, callback.Call{ID: uuid.New(), URL: url, At: began}); !errors.Is(err, context.Canceled) {
		t.Errorf("our own end is no answer of the endpoint: %+v, %v", answer, err)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	if got := send(t, server.URL); got.Status != 0 || got.Why != "it refused the connection" {
		t.Errorf("%+v", got)
	}
}

// Outside development nothing inside is reached: not by URL, and not by a name or redirect that leads there, since the address is
// looked at when it is dialled.
func TestNothingInsideIsReached(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(server.Close)
	client := callback.NewClient(false)
	answer, err := client.Send(t.Context(), callback.Call{ID: uuid.New(), URL: server.URL, At: time.Now()})
	if err != nil || answer.Status != 0 || !strings.Contains(answer.Why, "may not be called") {
		t.Errorf("by its URL: %+v, %v", answer, err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		url := "https://" + host + server.URL[strings.LastIndex(server.URL, ":"):]
		res, err := client.Get(url)
		if err == nil {
			_ = res.Body.Close()
		}
		if err == nil || host != "[::1]" && !strings.Contains(callback.Reason(err), "public internet") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if reached.Load() {
		t.Error("it was reached")
	}
}
