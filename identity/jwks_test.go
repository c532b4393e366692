package identity_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// warnings hands each warning of an authenticator to the test.
type warnings chan string

func (w warnings) Enabled(context.Context, slog.Level) bool { return true }
func (w warnings) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w warnings) WithGroup(string) slog.Handler            { return w }
func (w warnings) Handle(_ context.Context, r slog.Record) error {
	select {
	case w <- r.Message:
	default: // nobody waits
	}
	return nil
}

func TestAnIssuerThatRotatesItsKeys(t *testing.T) {
	t.Parallel()
	old, young := newRSA(t, "old"), newRSA(t, "young")
	p := newProvider(t, keySet(t, old))
	a := door(t, identity.Config{Issuer: p.issuer()})
	account := uuid.New()
	in := func(s signer) error {
		_, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: s.sign(t, claims(account))})
		return err
	}
	if err := in(old); err != nil || p.asked.Load() != 1 {
		t.Fatalf("%v after %d requests", err, p.asked.Load())
	}
	p.serve(keySet(t, young))
	if err := in(young); err != nil || p.asked.Load() != 2 {
		t.Fatalf("the new key: %v after %d requests", err, p.asked.Load())
	}
	if err := in(old); !payment.IsReason(err, payment.ReasonUnauthenticated) {
		t.Fatalf("a key that the issuer took away: %v", err)
	}
	// Unknown ids have the keys read at most every half minute, and nobody waits for that.
	began := time.Now()
	for range 50 {
		if err := in(newEd(t, uuid.NewString())); !payment.IsReason(err, payment.ReasonUnauthenticated) {
			t.Fatal(err)
		}
	}
	if n, took := p.asked.Load(), time.Since(began); n != 2 || took > 3*time.Second {
		t.Errorf("%d requests to the issuer, %v", n, took)
	}
	if err := in(young); err != nil {
		t.Error(err)
	}
}

func TestAnIssuerThatIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	key := newEC(t, "ec")
	p := newProvider(t, nil)
	p.do(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	a := door(t, identity.Config{Issuer: p.issuer()})
	p.serve(keySet(t, key))
	token := key.sign(t, claims(uuid.New()))
	if _, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token}); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

// What an issuer may answer instead of a key set. Without any key a token can neither be accepted nor called wrong.
func TestAnswersThatAreNoKeySet(t *testing.T) {
	t.Parallel()
	key := newEC(t, "ec")
	set := keySet(t, key)
	for name, answer := range map[string]http.HandlerFunc{
		"an error":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"a page":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"half":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set[:len(set)/2]) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(append(set[:len(set)-1:len(set)-1], `,"more":"`...), bytes.Repeat([]byte("x"), 300<<10)...))
			_, _ = w.Write([]byte(`"}`))
		},
		"too much space": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(bytes.Repeat([]byte(" "), 300<<10), set...))
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t, nil)
			p.do(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/keys" {
					_, _ = w.Write(set) // of the redirect: not to be believed
					return
				}
				answer(w, r)
			})
			a := door(t, identity.Config{Issuer: p.issuer()})
			token := key.sign(t, claims(uuid.New()))
			who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
			wantReason(t, who, err, payment.ReasonUnavailable, token)
			who, err = a.Authenticate(t.Context(), identity.Credentials{Bearer: "a.b.c"}) // not a token in any case
			wantReason(t, who, err, payment.ReasonUnauthenticated)
		})
	}
}

// An issuer that goes away later takes nobody's session, and comes back by itself.
func TestAnIssuerThatGoesAway(t *testing.T) {
	t.Parallel()
	key, young := newEd(t, "ed"), newEd(t, "young")
	p := newProvider(t, keySet(t, key))
	heard := make(warnings, 1)
	issuer := p.issuer()
	issuer.Refresh = 20 * time.Millisecond
	a := door(t, identity.Config{Issuer: issuer, Log: slog.New(heard)})
	p.do(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	<-heard
	<-heard
	token := key.sign(t, claims(uuid.New()))
	if _, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token}); err != nil {
		t.Fatalf("while it is away: %v", err)
	}
	read := make(chan struct{}, 8)
	set := keySet(t, young)
	p.do(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(set)
		select {
		case read <- struct{}{}:
		default:
		}
	})
	<-read
	<-read // the second request comes after the first answer was taken in
	who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
	wantReason(t, who, err, payment.ReasonUnauthenticated)
}

// A caller that hangs up does not break off the refresh that others wait for.
func TestACallerThatHangsUp(t *testing.T) {
	t.Parallel()
	old, young := newEd(t, "old"), newEd(t, "young")
	p := newProvider(t, keySet(t, old))
	a := door(t, identity.Config{Issuer: p.issuer()})
	p.serve(keySet(t, young))
	gone, hangUp := context.WithCancelCause(t.Context())
	hangUp(errors.New("gone"))
	if _, err := a.Authenticate(gone, identity.Credentials{Bearer: young.sign(t, claims(uuid.New()))}); err != nil {
		t.Errorf("%v", err)
	}
}
