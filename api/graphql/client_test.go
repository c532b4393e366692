package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// owner is a customer of the house with money, and somebody who asks over HTTP in his name.
type owner struct {
	t      testing.TB
	house  *house
	wallet ledger.Wallet
	header http.Header
}

// funded opens an account with a wallet of so much.
func (h *house) funded(t testing.TB, sat payment.Sat) *owner {
	t.Helper()
	wallet := ledgertest.Funded(t, h.ledger, sat.MustMsat())
	token, err := h.issuer.Mint(wallet.AccountID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return &owner{t: t, house: h, wallet: wallet, header: http.Header{"Authorization": {"Bearer " + token}}}
}

// nobody asks without credentials.
func (h *house) nobody(t testing.TB) *owner { return &owner{t: t, house: h, header: http.Header{}} }

// with is the same caller with one header more.
func (o *owner) with(name, value string) *owner {
	other := *o
	other.header = o.header.Clone()
	other.header.Set(name, value)
	return &other
}

func (o *owner) once() *owner { return o.with("X-Idempotency-Key", uuid.NewString()) }

// key is an API key of the owner with limits, as a caller.
func (o *owner) key(scopes string, limits map[string]any) (*owner, string) {
	o.t.Helper()
	made := o.ask(`mutation($s: [Scope!]!) { apiKeyCreate(input: {name: "test", scopes: $s}) { apiKey { id } apiKeySecret } }`,
		vars{"s": strings.Fields(scopes)})
	id := made.text("apiKeyCreate.apiKey.id")
	for window, limit := range limits {
		o.ask(`mutation($i: ApiKeySetLimitInput!) { apiKeySetLimit(input: $i) { apiKey { id } } }`,
			vars{"i": vars{"id": id, "limitTimeWindow": window, "limitSats": limit}})
	}
	caller := *o
	caller.header = http.Header{"X-Api-Key": {made.text("apiKeyCreate.apiKeySecret")}}
	return &caller, id
}

// usdWallet opens one beside the wallet in bitcoin.
func (o *owner) usdWallet() ledger.Wallet { return o.another(payment.USD) }

// another wallet of the owner.
func (o *owner) another(currency payment.Currency) ledger.Wallet {
	o.t.Helper()
	w, err := o.house.ledger.OpenWallet(context.Background(), ledger.Wallet{
		ID: uuid.New(), AccountID: o.wallet.AccountID, Name: uuid.NewString(), Currency: currency,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return w
}

type vars map[string]any

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	raw    string
	Data   map[string]any `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
}

// ask sends an operation and fails the test unless it is answered without top-level errors.
func (o *owner) ask(query string, variables vars) *answer {
	o.t.Helper()
	a := o.send(query, variables)
	if a.status != http.StatusOK || len(a.Errors) != 0 {
		o.t.Fatalf("HTTP %d: %s", a.status, a.raw)
	}
	return a
}

// send is ask, whatever the answer.
func (o *owner) send(query string, variables vars) *answer {
	o.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		o.t.Fatal(err)
	}
	return o.post(string(body))
}

func (o *owner) post(body string) *answer {
	o.t.Helper()
	a, err := post(o.house.address, o.header, body)
	if err != nil {
		o.t.Fatal(err)
	}
	a.t = o.t
	return a
}

func post(address string, header http.Header, body string) (*answer, error) {
	request, err := http.NewRequest(http.MethodPost, "http://"+address+"/graphql", bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	request.Header = header.Clone()
	if request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	_ = decoder.Decode(a) // what is no JSON is in raw
	return a, nil
}

// at follows a path of names and indexes through the data.
func (a *answer) at(path string) any {
	a.t.Helper()
	var here any = a.Data
	for _, step := range strings.Split(path, ".") {
		switch at := here.(type) {
		case map[string]any:
			value, ok := at[step]
			if !ok {
				a.t.Fatalf("no %q in %s", path, a.raw)
			}
			here = value
		case []any:
			var i int
			if _, err := fmt.Sscanf(step, "%d", &i); err != nil || i >= len(at) {
				a.t.Fatalf("no %q in %s", path, a.raw)
			}
			here = at[i]
		default:
			a.t.Fatalf("no %q in %s", path, a.raw)
		}
	}
	return here
}

func (a *answer) text(path string) string {
	a.t.Helper()
	switch v := a.at(path).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// want checks what a path leads to, as text; null is "".
func (a *answer) want(path, want string) {
	a.t.Helper()
	if got := a.text(path); got != want {
		a.t.Errorf("%s is %q, want %q, in %s", path, got, want, a.raw)
	}
}

// wantRefused checks class 3: no data, and exactly one error with this code.
func (a *answer) wantRefused(code Code, message string) {
	a.t.Helper()
	if a.Data != nil || len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != string(code) || !strings.Contains(a.Errors[0].Message, message) {
		a.t.Errorf("got %s, want no data and one error %s with %q", a.raw, code, message)
	}
}

// paid is the answer of a payment mutation.
type paid struct {
	*answer
	field string
}

func (p paid) status() string { return p.text(p.field + ".status") }

// code of the first error in the payload; "" if there is none.
func (p paid) code() string {
	if len(p.at(p.field+".errors").([]any)) == 0 {
		return ""
	}
	return p.text(p.field + ".errors.0.code")
}

func (p paid) message() string { return p.text(p.field + ".errors.0.message") }

// wantFailed checks class 1.
func (p paid) wantFailed(code Code, message string) {
	p.t.Helper()
	if p.answer.status != 200 || p.status() != "FAILURE" || p.code() != string(code) || !strings.Contains(p.message(), message) ||
		p.at(p.field+".transaction") != nil {
		p.t.Errorf("got %s, want FAILURE with %s and %q", p.raw, code, message)
	}
}

// wantMalformed checks class 2.
func (p paid) wantMalformed(message string) {
	p.t.Helper()
	if p.answer.status != 200 || p.at(p.field+".status") != nil || p.at(p.field+".transaction") != nil ||
		p.at(p.field+".errors.0.code") != nil || !strings.Contains(p.message(), message) {
		p.t.Errorf("got %s, want no status and an error without code with %q", p.raw, message)
	}
}

func (p paid) wantPaid() {
	p.t.Helper()
	if p.status() != "SUCCESS" || p.code() != "" {
		p.t.Errorf("got %s, want SUCCESS", p.raw)
	}
}

const paymentFields = `errors { message code path } status transaction { id status direction settlementAmount settlementFee settlementCurrency
	memo initiationVia { __typename } settlementVia { __typename } }`

// pay calls a payment mutation with an input.
func (o *owner) pay(door payment.Door, input vars) paid {
	o.t.Helper()
	return paid{o.ask(payQuery(door), vars{"input": input}), string(door)}
}

func payQuery(door payment.Door) string {
	return fmt.Sprintf("mutation($input: %s!) { %s(input: $input) { %s } }", inputType(door), door, paymentFields)
}

// inputType is the name of a mutation's input, which is not always the mutation's own.
func inputType(door payment.Door) string {
	switch door {
	case payment.DoorInvoice:
		return "LnInvoicePaymentInput"
	case payment.DoorNoAmountInvoice:
		return "LnNoAmountInvoicePaymentInput"
	case payment.DoorNoAmountUsdInvoice:
		return "LnNoAmountUsdInvoicePaymentInput"
	default:
		return strings.ToUpper(string(door[:1])) + string(door[1:]) + "Input"
	}
}

// balance is what the wallet shows.
func (o *owner) balance() payment.Sat {
	o.t.Helper()
	w, err := o.house.ledger.Wallet(context.Background(), o.wallet.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	return w.Available().Floor()
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("%s did not happen in time", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
