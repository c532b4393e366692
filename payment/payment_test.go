package payment_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/payment"
)

// Invariant 1: arithmetic agrees with whole numbers of any size, or says that it cannot.
func TestMsatArithmeticNeverWraps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		sum, ok := payment.Msat(a).Add(payment.Msat(b))
		same(t, "sum", new(big.Int).Add(big.NewInt(a), big.NewInt(b)), int64(sum), ok)
		diff, ok := payment.Msat(a).Sub(payment.Msat(b))
		same(t, "difference", new(big.Int).Sub(big.NewInt(a), big.NewInt(b)), int64(diff), ok)
		msat, ok := payment.Sat(a).Msat()
		same(t, "sat in msat", new(big.Int).Mul(big.NewInt(a), big.NewInt(1000)), int64(msat), ok)
	})
}

func same(t *rapid.T, what string, want *big.Int, got int64, ok bool) {
	switch {
	case ok != want.IsInt64():
		t.Fatalf("%s: ok %v for %v", what, ok, want)
	case ok && want.Int64() != got:
		t.Fatalf("%s: %d, want %v", what, got, want)
	}
}

func TestSatRounding(t *testing.T) {
	t.Parallel()
	for msat, want := range map[payment.Msat][2]payment.Sat{
		0: {0, 0}, 1: {0, 1}, 999: {0, 1}, 1000: {1, 1}, 1001: {1, 2}, -1: {-1, 0}, -1000: {-1, -1}, -1001: {-2, -1},
		math.MaxInt64: {9223372036854775, 9223372036854776}, math.MinInt64: {-9223372036854776, -9223372036854775},
	} {
		if got := [2]payment.Sat{msat.Floor(), msat.Ceil()}; got != want {
			t.Errorf("%d msat: floor and ceil %v, want %v", int64(msat), got, want)
		}
	}
}

func TestAmountText(t *testing.T) {
	t.Parallel()
	for msat, want := range map[payment.Msat]string{
		0: "0 sat", 1: "0.001 sat", 1_000: "1 sat", 999_999_000: "999,999 sat", 1_234_567: "1,234.567 sat",
		-1: "-0.001 sat", -1_234_567_890: "-1,234,567.890 sat", 10_000_000_000: "10,000,000 sat",
	} {
		if got := msat.String(); got != want {
			t.Errorf("%d msat: %q, want %q", int64(msat), got, want)
		}
	}
}

// Invariant 3: the id of a repeated call is the same, and nobody else's.
func TestIDForAKey(t *testing.T) {
	t.Parallel()
	alice, bob := uuid.New(), uuid.New()
	id := payment.IDFor(alice, "order-1")
	switch {
	case id != payment.IDFor(alice, "order-1"):
		t.Error("the same call has another id")
	case id == payment.IDFor(bob, "order-1"), id == payment.IDFor(alice, "order-2"):
		t.Error("another call has the same id")
	case id.Version() != 8 || id.Variant() != uuid.RFC4122:
		t.Errorf("version %d, variant %v", id.Version(), id.Variant())
	}
	first, second := payment.IDFor(alice, ""), payment.IDFor(alice, "")
	if first == second || first.Version() != 7 {
		t.Errorf("without a key every call is a new payment: %v, %v", first, second)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0a", 32)
	hash, err := payment.ParseHash(text)
	if err != nil || hash.String() != text || hash.IsZero() {
		t.Fatalf("%v, %v", hash, err)
	}
	for _, bad := range []string{"", "0a", text + "00", strings.Repeat("0g", 32)} {
		if _, err := payment.ParseHash(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	for _, h := range []payment.Hash{hash, {}} {
		encoded, err := json.Marshal(h)
		var back payment.Hash
		if err != nil || json.Unmarshal(encoded, &back) != nil || back != h {
			t.Errorf("%s came back as %v", encoded, back)
		}
	}
}

// Invariant 2: every state can be reached, a terminal one never left.
func TestMoves(t *testing.T) {
	t.Parallel()
	reached := map[payment.State]bool{"": true}
	for _, move := range payment.Moves() {
		if move.From.Terminal() {
			t.Errorf("%s is final and moves to %s", move.From, move.To)
		}
		if !reached[move.From] {
			t.Errorf("%s moves on before anything leads to it", move.From)
		}
		reached[move.To] = true
		if !payment.CanMove(move.From, move.To) || payment.CanMove(move.To, move.From) {
			t.Errorf("%s to %s: one way only", move.From, move.To)
		}
	}
	for _, state := range payment.States() {
		if !reached[state] {
			t.Errorf("nothing leads to %s", state)
		}
	}
	if payment.CanMove(payment.Pending, payment.Refused) || payment.CanMove("", payment.Settled) {
		t.Error("a move that is not in the table is allowed")
	}
}

// Invariant 3: what was asked changes the fingerprint, what we chose does not.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := payment.Request{ID: uuid.New(), Kind: payment.Lightning, Door: payment.DoorGo, AccountID: uuid.New(), WalletID: uuid.New(), Amount: 5, Invoice: "lnbcrt1"}
	asked := map[string]func(*payment.Request){
		"door": func(r *payment.Request) { r.Door = payment.DoorCLI }, "account": func(r *payment.Request) { r.AccountID = uuid.New() },
		"wallet": func(r *payment.Request) { r.WalletID = uuid.New() }, "key": func(r *payment.Request) { r.KeyID = uuid.New() },
		"amount": func(r *payment.Request) { r.Amount++ }, "all": func(r *payment.Request) { r.SendAll = true },
		"invoice": func(r *payment.Request) { r.Invoice = "lnbcrt2" }, "address": func(r *payment.Request) { r.Address = "bcrt1" },
		"speed": func(r *payment.Request) { r.Speed = payment.Slow }, "memo": func(r *payment.Request) { r.Memo = "x" }, "fee limit": func(r *payment.Request) { r.MaxFee = new(payment.Msat(0)) },
	}
	for what, change := range asked {
		other := base
		change(&other)
		if other.Fingerprint() == base.Fingerprint() {
			t.Errorf("another %s has the same fingerprint", what)
		}
	}
	chosen := base
	chosen.ID, chosen.Kind, chosen.Node, chosen.FeeReserve, chosen.RecipientID = uuid.New(), payment.Intraledger, "bank", 7, uuid.New()
	if chosen.Fingerprint() != base.Fingerprint() {
		t.Error("what we chose changes the fingerprint")
	}
	toWallet := payment.Request{Kind: payment.Intraledger, RecipientID: uuid.New()}
	other := toWallet
	other.RecipientID = uuid.New()
	if toWallet.Fingerprint() == other.Fingerprint() {
		t.Error("another recipient has the same fingerprint")
	}
}

// Invariant 4: the cause is for the log, never in what is shown.
func TestErrorKeepsItsCauseForTheLog(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.1: refused")
	err := payment.Errorf(payment.ReasonUnavailable, "Try %s.", "later").Because(cause)
	if !errors.Is(err, cause) || payment.ReasonOf(err) != payment.ReasonUnavailable || err.Message != "Try later." {
		t.Errorf("%+v", err)
	}
	shown, _ := json.Marshal(err.Failure)
	if strings.Contains(string(shown), "10.0.0.1") {
		t.Errorf("the cause is shown: %s", shown)
	}
	if payment.ReasonOf(nil) != "" || payment.ReasonOf(cause) != payment.ReasonInternal || payment.IsReason(nil, "") {
		t.Error("reasons of other errors")
	}
}

func TestWindowsGrow(t *testing.T) {
	t.Parallel()
	last := payment.Window("").Duration()
	for _, window := range payment.Windows() {
		if window.Duration() <= last {
			t.Errorf("%s is not longer than the one before", window)
		}
		last = window.Duration()
	}
}
