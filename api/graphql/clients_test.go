package graphqlapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// What plugins and wallets written for this API send, in the shape in which they send it: testdata/clients has one operation a
// file, named by who sends such a thing. Each test is such a client: it asks by them, and reads of the answers what that
// client reads.
const clientDocuments = "testdata/clients"

// sentDocuments are those that a client has sent.
type sentDocuments struct {
	mu   sync.Mutex
	sent map[string]bool
}

// plugin is a client with an API key of an owner.
type plugin struct {
	*owner
	wallet    string
	documents *sentDocuments
}

func (s *sentDocuments) read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(clientDocuments, name+".graphql"))
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[name] = true
	return string(text)
}

// by sends an operation of the client.
func (p plugin) by(name string, variables vars) *answer {
	p.t.Helper()
	return p.ask(p.documents.read(p.t, name), variables)
}

// watch subscribes, as GraphQL libraries do: with variables, and extensions that are null.
func (p plugin) watch(l *line, id, name string, variables vars) {
	p.t.Helper()
	payload, err := json.Marshal(map[string]any{"query": p.documents.read(p.t, name), "variables": variables, "extensions": nil})
	if err != nil {
		p.t.Fatal(err)
	}
	l.write(frame{ID: id, Type: "subscribe", Payload: payload})
}

// updates subscribes to myUpdates, and waits until it listens: the protocol does not say when, the two prices at the beginning do.
func (p plugin) updates(id, name string, variables vars) *line {
	p.t.Helper()
	address := p.house.doorWith(p.t, func(cfg *Config) { cfg.Prices, cfg.Limits.PriceEvery = fixed{}, time.Hour })
	l := call(p.t, address, map[string]string{"X-API-KEY": p.header.Get("X-Api-Key")})
	p.watch(l, id, name, variables)
	l.next()
	l.next()
	return l
}

// TestClients: every document is sent by one of them.
func TestClients(t *testing.T) {
	t.Parallel()
	documents := &sentDocuments{sent: map[string]bool{}}
	t.Run("each", func(t *testing.T) {
		for name, use := range map[string]func(t *testing.T, p plugin){
			"a funding source": fundingSource, "a payment processor": paymentProcessor, "a mint": mint, "an app": app, "a till": till,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := home(t).funded(t, 100_000)
				key, _ := o.key("READ RECEIVE WRITE", nil)
				key.t = t
				use(t, plugin{key, o.wallet.ID.String(), documents})
			})
		}
	})
	files, err := filepath.Glob(filepath.Join(clientDocuments, "*.graphql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".graphql"); !documents.sent[name] {
			t.Errorf("nobody sends %s", name)
		}
	}
}

const oneWallet = "me.defaultAccount.walletById."

// received pays an invoice of the client's from outside.
func (p plugin) received(hash string, sat payment.Sat) {
	p.t.Helper()
	parsed, err := payment.ParseHash(hash)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.house.bank.ReceivePayment(parsed, sat.MustMsat()); err != nil {
		p.t.Fatal(err)
	}
}

func fundingSource(t *testing.T, p plugin) {
	wallets := p.by("fundingsource-wallets", vars{})
	wallets.want("me.defaultAccount.wallets.0.walletCurrency", "BTC")
	wallets.want("me.defaultAccount.wallets.0.id", p.wallet)
	p.by("fundingsource-balance", vars{}).want("me.defaultAccount.wallets.0.balance", "100000")

	l := p.updates("payments", "fundingsource-updates", vars{})
	descriptionHash := sha256.Sum256([]byte("a description"))
	for _, input := range []vars{{"memo": ""}, {"memo": "tea"}, {"descriptionHash": hex.EncodeToString(descriptionHash[:])}} {
		input["recipientWalletId"], input["amount"] = p.wallet, 500
		made := p.by("fundingsource-receive", vars{"input": input})
		made.want("lnInvoiceCreateOnBehalfOfRecipient.errors", "[]")
		made.want("lnInvoiceCreateOnBehalfOfRecipient.invoice.satoshis", "500")
		hash := made.text("lnInvoiceCreateOnBehalfOfRecipient.invoice.paymentHash")
		p.by("fundingsource-received", vars{"walletId": p.wallet, "paymentHash": hash}).want(oneWallet+"invoiceByPaymentHash.paymentStatus", "PENDING")
		p.received(hash, 500)
		news := l.next()
		news.want("myUpdates.update.transaction.direction", "RECEIVE")
		news.want("myUpdates.update.transaction.initiationVia.paymentHash", hash)
		p.by("fundingsource-received", vars{"walletId": p.wallet, "paymentHash": hash}).want(oneWallet+"invoiceByPaymentHash.paymentStatus", "PAID")
	}
	unknown := p.send(p.documents.read(t, "fundingsource-received"), vars{"walletId": p.wallet, "paymentHash": strings.Repeat("0", 64)})
	if len(unknown.Errors) == 0 { // it is taken for "not known", not for paid
		t.Errorf("an unknown invoice: %s", unknown.raw)
	}

	for status, out := range map[string]lndfake.MadeInvoice{"SUCCESS": p.house.peer.MakeInvoice(1_000), "PENDING": p.house.peer.MakeHold(1_000)} {
		paid := p.by("fundingsource-pay", vars{"input": vars{"paymentRequest": out.Request, "walletId": p.wallet, "memo": "Payment memo"}})
		paid.want("lnInvoicePaymentSend.errors", "[]")
		paid.want("lnInvoicePaymentSend.status", status)
		sent := p.by("fundingsource-sent", vars{"walletId": p.wallet, "hash": out.Hash.String()})
		sent.want(oneWallet+"walletCurrency", "BTC")
		sent.want(oneWallet+"transactionsByPaymentHash.0.direction", "SEND")
		sent.want(oneWallet+"transactionsByPaymentHash.0.status", status)
		if _, err := sent.at(oneWallet + "transactionsByPaymentHash.0.settlementFee").(json.Number).Int64(); err != nil {
			t.Errorf("the fee is no number: %s", sent.raw)
		}
		preimage := ""
		if status == "SUCCESS" {
			preimage = fmt.Sprintf("%x", out.Preimage)
		}
		sent.want(oneWallet+"transactionsByPaymentHash.0.settlementVia.preImage", preimage)
	}
	failing := p.house.peer.MakeInvoice(1_000)
	p.house.bank.Plan(failing.Hash, lndfake.Fails(payment.ReasonNoRoute))
	failed := p.by("fundingsource-pay", vars{"input": vars{"paymentRequest": failing.Request, "walletId": p.wallet, "memo": "Payment memo"}})
	failed.want("lnInvoicePaymentSend.status", "FAILURE")
	if failed.text("lnInvoicePaymentSend.errors.0.message") == "" {
		t.Error("nothing to show")
	}
	p.by("fundingsource-sent", vars{"walletId": p.wallet, "hash": failing.Hash.String()}).want(oneWallet+"transactionsByPaymentHash.0.status", "FAILURE")
	p.by("fundingsource-sent", vars{"walletId": p.wallet, "hash": strings.Repeat("0", 64)}).want(oneWallet+"transactionsByPaymentHash", "[]")
}

func paymentProcessor(t *testing.T, p plugin) {
	p.header.Set("Content-Type", "application/json; charset=utf-8")
	p.header.Set("Accept", "application/graphql-response+json, application/json")
	setup := p.by("processor-setup", nil)
	setup.want("globals.network", "regtest")
	setup.want("me.defaultAccount.defaultWallet.id", p.wallet)
	setup.want("me.defaultAccount.defaultWallet.currency", "BTC")
	p.by("processor-balance", vars{"walletId": p.wallet}).want(oneWallet+"balance", "100000")

	l := p.updates("1", "processor-updates", nil)
	made := p.by("processor-receive", vars{"input": vars{
		"recipientWalletId": p.wallet, "memo": "Order 7", "descriptionHash": nil, "amount": 700, "expiresIn": 60,
	}})
	const invoice = "lnInvoiceCreateOnBehalfOfRecipient.invoice."
	made.want(invoice+"satoshis", "700")
	made.want(invoice+"paymentStatus", "PENDING")
	hash := made.text(invoice + "paymentHash")
	p.received(hash, 700)
	l.next().want("myUpdates.update.transaction.initiationVia.paymentHash", hash)
	one := p.by("processor-invoice", vars{"walletId": p.wallet, "paymentHash": hash})
	one.want(oneWallet+"invoiceByPaymentHash.paymentStatus", "PAID")
	one.want(oneWallet+"invoiceByPaymentHash.paymentRequest", made.text(invoice+"paymentRequest"))
	p.by("processor-invoices", vars{"walletId": p.wallet}).want(oneWallet+"invoices.edges.0.node.satoshis", "700")

	another := home(t).funded(t, 10)
	_, own := another.invoice(300)
	for name, c := range map[string]struct{ request, status, preimage string }{
		"outside": {p.house.peer.MakeInvoice(1_000).Request, "SUCCESS", "there"}, "held": {p.house.peer.MakeHold(1_000).Request, "PENDING", ""}, "ours": {own, "SUCCESS", "there"},
	} {
		paid := p.by("processor-pay", vars{"input": vars{"walletId": p.wallet, "paymentRequest": c.request}})
		const transaction = "lnInvoicePaymentSend.transaction."
		paid.want("lnInvoicePaymentSend.status", c.status)
		paid.want(transaction+"initiationVia.paymentRequest", c.request)
		paid.at(transaction + "settlementVia") // an object, also while there is no preimage
		if got := paid.text(transaction + "settlementVia.preImage"); (got != "") != (c.preimage != "") {
			t.Errorf("%s: preimage %q in %s", name, got, paid.raw)
		}
		again := p.by("processor-payment", vars{"walletId": p.wallet, "paymentHash": paid.text(transaction + "initiationVia.paymentHash")})
		again.want(oneWallet+"transactionsByPaymentHash.0.status", c.status)
		again.want(oneWallet+"transactionsByPaymentHash.0.direction", "SEND")
	}
	if listed := p.by("processor-payments", vars{"walletId": p.wallet}); len(listed.at(oneWallet+"transactions.edges").([]any)) != 5 { // the funding, too
		t.Errorf("got %s", listed.raw)
	}
}

func mint(t *testing.T, p plugin) {
	made := p.by("fundingsource-receive", vars{"input": vars{"amount": "250", "recipientWalletId": p.wallet, "memo": "mint"}}) // the amount as text
	request := made.text("lnInvoiceCreateOnBehalfOfRecipient.invoice.paymentRequest")
	status := func(want string) {
		t.Helper()
		a := p.by("mint-received", vars{"input": vars{"paymentRequest": request}})
		a.want("lnInvoicePaymentStatus.status", want)
		a.want("lnInvoicePaymentStatus.errors", "[]")
	}
	status("PENDING")
	p.received(made.text("lnInvoiceCreateOnBehalfOfRecipient.invoice.paymentHash"), 250)
	eventually(t, "the receipt", func() bool { return p.balance() == 100_250 })
	status("PAID")
	unknown := p.by("mint-received", vars{"input": vars{"paymentRequest": p.house.peer.MakeInvoice(5).Request}})
	unknown.want("lnInvoicePaymentStatus.status", "")
	unknown.want("lnInvoicePaymentStatus.errors.0.code", string(codeInput))
	bad := p.by("mint-received", vars{"input": vars{"paymentRequest": "x"}})
	bad.want("lnInvoicePaymentStatus.errors.0.code", "")

	out := p.house.peer.MakeInvoice(1_000).Request
	fee := p.by("mint-fee", vars{"input": vars{"paymentRequest": out, "walletId": p.wallet}})
	fee.want("lnInvoiceFeeProbe.errors", "[]")
	if n, err := fee.at("lnInvoiceFeeProbe.amount").(json.Number).Int64(); err != nil || n < 0 {
		t.Errorf("got %s", fee.raw)
	}
	paid := p.by("mint-pay", vars{"input": vars{"paymentRequest": out, "walletId": p.wallet}})
	paid.want("lnInvoicePaymentSend.status", "SUCCESS")
	paid.want("lnInvoicePaymentSend.transaction.settlementFee", "1")
	paid.want("lnInvoicePaymentSend.transaction.settlementAmount", "-1001")
	p.by("mint-pay", vars{"input": vars{"paymentRequest": out, "walletId": p.wallet}}).want("lnInvoicePaymentSend.status", "ALREADY_PAID")
}

func app(t *testing.T, p plugin) {
	p.by("app-scopes", vars{}).want("authorization.scopes", "[READ RECEIVE WRITE]")
	made := p.by("app-receive", vars{"input": vars{"amount": 500, "expiresIn": 10, "memo": "hello", "walletId": p.wallet}})
	made.want("lnInvoiceCreate.errors", "[]")
	p.by("app-receive-any", vars{"input": vars{"walletId": p.wallet, "memo": "hello"}}).want("lnNoAmountInvoiceCreate.errors", "[]")
	sent := func(request, status string, hasPreimage bool) {
		t.Helper()
		a := p.by("app-sent", vars{"walletId": p.wallet, "paymentRequest": request})
		a.want(oneWallet+"transactionsByPaymentRequest.0.status", status)
		a.want(oneWallet+"transactionsByPaymentRequest.0.direction", "SEND")
		if got := a.text(oneWallet + "transactionsByPaymentRequest.0.settlementVia.preImage"); (got != "") != hasPreimage {
			t.Errorf("preimage %q in %s", got, a.raw)
		}
	}
	out := p.house.peer.MakeInvoice(0)
	fee := p.by("app-fee-any", vars{"input": vars{"paymentRequest": out.Request, "walletId": p.wallet, "amount": 800}})
	fee.want("lnNoAmountInvoiceFeeProbe.errors", "[]")
	paid := p.by("app-pay-any", vars{"input": vars{"paymentRequest": out.Request, "walletId": p.wallet, "amount": 800}})
	paid.want("lnNoAmountInvoicePaymentSend.status", "SUCCESS")
	paid.want("lnNoAmountInvoicePaymentSend.transaction.settlementVia.preImage", fmt.Sprintf("%x", out.Preimage))
	sent(out.Request, "SUCCESS", true)

	held := p.house.peer.MakeHold(900)
	p.by("fundingsource-pay", vars{"input": vars{"paymentRequest": held.Request, "walletId": p.wallet}}).want("lnInvoicePaymentSend.status", "PENDING")
	sent(held.Request, "PENDING", false)
	if err := p.house.peer.SettleInvoice(t.Context(), held.Preimage); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the settlement", func() bool {
		a := p.by("app-sent", vars{"walletId": p.wallet, "paymentRequest": held.Request})
		return a.text(oneWallet+"transactionsByPaymentRequest.0.status") == "SUCCESS"
	})
	sent(held.Request, "SUCCESS", true)
}

// till takes money for somebody whom it knows by name, without credentials.
func till(t *testing.T, p plugin) {
	name := "till_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	p.ask(`mutation($u: Username!) { userUpdateUsername(input: {username: $u}) { errors { message } } }`, vars{"u": name}).want("userUpdateUsername.errors", "[]")
	p.header.Del("X-Api-Key")
	found := p.by("till-recipient", vars{"username": name})
	found.want("accountDefaultWallet.id", p.wallet)
	found.want("accountDefaultWallet.walletCurrency", "BTC")
	p.by("till-recipient-old", vars{"username": name}).want("recipientWalletId", p.wallet)
	p.send(p.documents.read(t, "till-recipient-old"), vars{"username": "nobody_here"}).wantRefused(codeInput, "")
	watched := func(hash, request string, sat payment.Sat) {
		t.Helper()
		for i, document := range []string{"till-status", "till-status-by-hash"} {
			input, field := vars{"paymentRequest": request}, "lnInvoicePaymentStatusByPaymentRequest"
			if i == 1 {
				input, field = vars{"paymentHash": hash}, "lnInvoicePaymentStatusByHash"
			}
			a := p.by(document, vars{"input": input})
			a.want(field+".status", "PENDING")
			a.want(field+".paymentPreimage", "")
			a.want(field+".paymentHash", hash)
		}
		l := call(t, p.house.address, nil)
		input := vars{"input": vars{"paymentRequest": request}}
		p.watch(l, "new", "till-watch", input)
		l.next().want("lnInvoicePaymentStatusByPaymentRequest.status", "PENDING")
		p.watch(l, "old", "till-watch-old", input)
		l.next().want("lnInvoicePaymentStatus.status", "PENDING")
		p.received(hash, sat)
		told := map[string]string{}
		for len(told) < 2 {
			f := l.read()
			if f.Type == "next" {
				told[f.ID] += string(f.Payload)
			}
		}
		for id, payload := range told {
			if !strings.Contains(payload, `"status":"PAID"`) {
				t.Errorf("%s was told %s", id, payload)
			}
		}
		paid := p.by("till-status", vars{"input": vars{"paymentRequest": request}})
		paid.want("lnInvoicePaymentStatusByPaymentRequest.status", "PAID")
		if paid.text("lnInvoicePaymentStatusByPaymentRequest.paymentPreimage") == "" {
			t.Error("no preimage")
		}
	}
	priced := p.by("fundingsource-receive", vars{"input": vars{"recipientWalletId": p.wallet, "amount": 400, "memo": "coffee"}})
	const priceOf = "lnInvoiceCreateOnBehalfOfRecipient.invoice."
	watched(priced.text(priceOf+"paymentHash"), priced.text(priceOf+"paymentRequest"), 400)
	open := p.by("till-receive-any", vars{"input": vars{"recipientWalletId": p.wallet}})
	open.want("lnNoAmountInvoiceCreateOnBehalfOfRecipient.errors", "[]")
	const openOf = "lnNoAmountInvoiceCreateOnBehalfOfRecipient.invoice."
	watched(open.text(openOf+"paymentHash"), open.text(openOf+"paymentRequest"), 321)
}
