package callback_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// The library signs as the specification's example says, whatever becomes of it.
func TestTheExampleOfTheSpecification(t *testing.T) {
	t.Parallel()
	key, err := standardwebhooks.NewWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestSecretsAreDerived(t *testing.T) {
	t.Parallel()
	a, b := uuid.New(), uuid.New()
	one, same, other := callback.NewSecrets("one master secret"), callback.NewSecrets("one master secret"), callback.NewSecrets("another master secret")
	if one.Of(a) != same.Of(a) || one.Of(a) == one.Of(b) || one.Of(a) == other.Of(a) || !strings.HasPrefix(one.Of(a), "whsec_") || len(one.Of(a)) < 40 {
		t.Errorf("%q %q %q", one.Of(a), one.Of(b), other.Of(a))
	}
	if none := callback.NewSecrets(""); none.Set() || none.Of(a) != "" {
		t.Errorf("without a master secret: %q", none.Of(a))
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct{ outside, inside bool }{
		"https://shop.example/hook?x=1":   {true, true},
		"https://shop.example:8443/":      {true, true},
		"https://93.184.216.34/":          {true, true},
		"https://[2606:4700::1111]/":      {true, true},
		"http://shop.example/hook":        {false, true},
		"https://localhost/":              {false, true},
		"https://LOCALHOST./":             {false, true},
		"https://a.localhost/":            {false, true},
		"https://127.0.0.1:8080/":         {false, true},
		"https://10.0.0.1/":               {false, true},
		"https://169.254.169.254/latest/": {false, true},
		"https://[::1]/":                  {false, true},
		"https://[::ffff:10.0.0.1]/":      {false, true},
		"https://user:pass@shop.example/": {false, false},
		"ftp://shop.example/":             {false, false},
		"https:///hook":                   {false, false},
		"shop.example":                    {false, false},
		"":                                {false, false},
		"https://shop.example:port/":      {false, false},
	} {
		if got := callback.CheckURL(url, false) == nil; got != want.outside {
			t.Errorf("%q outside: %v", url, got)
		}
		if got := callback.CheckURL(url, true) == nil; got != want.inside {
			t.Errorf("%q in development: %v", url, got)
		}
		if err := callback.CheckURL(url, false); err != nil && payment.ReasonOf(err) != payment.ReasonInvalidInput {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"https://shop.example/", "https://[::1]:1/", "https://0x7f.1/", "https://%31/", "http://[fe80::1%25en0]/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if callback.CheckURL(url, false) == nil && callback.CheckURL(url, true) != nil {
			t.Errorf("%q may be called outside and not in development", url)
		}
	})
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "2a00:1450::1": true, "100.63.0.1": true, "172.32.0.1": true,
		"0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "100.64.0.1": false, "127.0.0.1": false, "127.255.0.1": false, "169.254.169.254": false,
		"172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "192.0.0.1": false, "198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false,
		"255.255.255.255": false, "::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false,
		"fe80::1": false, "fc00::1": false, "fd12::1": false, "ff02::1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:db8::1": false,
		"2001:0:1::1": false, "fec0::1": false,
	} {
		if got := callback.Public(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// What the message says is what a reader of the API knows, in the forms of its callbacks, and nothing secret.
func TestTheMessage(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 12, 30, 15, 123_456_000, time.FixedZone("elsewhere", 3600))
	tx := ledger.Transaction{
		ID: uuid.New(), AccountID: uuid.New(), WalletID: uuid.New(), CreatedAt: at, Currency: payment.BTC, Direction: ledger.DirectionSend,
		Status: ledger.TransactionSuccess, Amount: -1_003_500, Fee: 3_500, Memo: "tea",
		Initiation: ledger.Initiation{Kind: payment.Lightning, Invoice: "lnbcrt1", PaymentHash: payment.Hash{0xab}},
		Settlement: ledger.Settlement{Kind: payment.Lightning, Preimage: []byte("preimage"), PaymentSecret: []byte("payment secret")},
	}
	d := ledger.Delivery{ID: uuid.New(), AccountID: tx.AccountID, EndpointID: uuid.New(), Event: "send.lightning"}
	text, err := callback.Compose(d, tx)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	inner := got["transaction"].(map[string]any)
	for name, want := range map[string]any{
		"id": tx.ID.String(), "walletId": tx.WalletID.String(), "status": "success", "direction": "send", "settlementAmount": -1004.0, "settlementFee": 4.0,
		"settlementCurrency": "BTC", "memo": "tea", "externalId": nil, "createdAt": "2026-11-24T11:30:15.123Z",
	} {
		if inner[name] != want {
			t.Errorf("%s is %v, want %v", name, inner[name], want)
		}
	}
	if got["accountId"] != tx.AccountID.String() || got["eventType"] != "send.lightning" || got["walletId"] != tx.WalletID.String() ||
		inner["initiationVia"].(map[string]any)["type"] != "lightning" || inner["initiationVia"].(map[string]any)["paymentHash"] != tx.Initiation.PaymentHash.String() ||
		inner["settlementVia"].(map[string]any)["type"] != "lightning" {
		t.Errorf("%s", text)
	}
	if lower := strings.ToLower(string(text)); strings.Contains(lower, "preimage") || strings.Contains(lower, "secret") {
		t.Errorf("it tells secrets: %s", text)
	}
	tx.Settlement = ledger.Settlement{Kind: payment.Intraledger, CounterpartyWalletID: uuid.New()}
	payer := tx.Settlement.CounterpartyWalletID.String()
	if text, err = callback.Compose(d, tx); err != nil || !strings.Contains(string(text), payer) {
		t.Errorf("the owner is not told who paid: %s, %v", text, err)
	}
	d.EndpointID = uuid.Nil
	if text, err = callback.Compose(d, tx); err != nil || strings.Contains(string(text), tx.AccountID.String()) || strings.Contains(string(text), payer) {
		t.Errorf("a webhook of an invoice names the account or the payer: %s, %v", text, err)
	}
}
