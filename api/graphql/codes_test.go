package graphqlapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// coded is a case of a row of the table of codes in docs/api.md: what happens, and what a client over HTTP is told.
type coded struct {
	code  Code
	what  string
	says  []string
	alone bool // it takes the node down, which others need
	ask   func(t *testing.T, h *house) refused
}

// refused is an answer with an error of class 1 or 3.
type refused interface {
	wantCode(code Code, says []string)
}

func (p paid) wantCode(code Code, says []string) {
	p.t.Helper()
	p.wantFailed(code, says[0])
	for _, part := range says {
		if !strings.Contains(p.message(), part) {
			p.t.Errorf("the message does not tell %q: %s", part, p.message())
		}
	}
}

func (a *answer) wantCode(code Code, says []string) {
	a.t.Helper()
	for _, part := range says {
		a.wantRefused(code, part)
	}
}

// alreadyPaid has an error beside another status.
type alreadyPaid struct{ paid }

func (p alreadyPaid) wantCode(code Code, says []string) {
	p.t.Helper()
	if p.status() != "ALREADY_PAID" || p.code() != string(code) || p.message() != says[0] {
		p.t.Errorf("got %s", p.raw)
	}
}

// Every code of errors.go has a case here, and is shown over HTTP.
func TestEveryCodeOverHTTP(t *testing.T) { // not parallel: see alone
	h := home(t)
	shown := map[Code]bool{}
	for _, row := range codedRows() {
		shown[row.code] = true
		t.Run(string(row.code)+"/"+row.what, func(t *testing.T) {
			if !row.alone {
				t.Parallel()
			}
			row.ask(t, h).wantCode(row.code, row.says)
		})
	}
	for name, code := range codesOf(t) {
		if !shown[code] {
			t.Errorf("%s (%s) has no case", name, code)
		}
	}
}

// codesOf are the constants of errors.go.
func codesOf(t *testing.T) map[string]Code {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]Code{}
	ast.Inspect(source, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "code") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes[spec.Names[0].Name] = Code(text)
		return true
	})
	if len(codes) != 13 {
		t.Errorf("%d codes were found", len(codes))
	}
	return codes
}

// A client author finds every code in the table of docs/api.md, and nothing there that is none.
func TestEveryCodeIsInTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| code | means |\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !found || !ended {
		t.Fatal("docs/api.md has no table of codes")
	}
	var told []Code
	for _, line := range strings.Split(table, "\n") {
		if name := strings.Trim(strings.Split(line, "|")[1], " `-"); name != "" {
			told = append(told, Code(name))
		}
	}
	known := slices.Collect(maps.Values(codesOf(t)))
	slices.Sort(told)
	slices.Sort(known)
	if !slices.Equal(told, known) {
		t.Errorf("docs/api.md tells of %v, the codes are %v", told, known)
	}
}

func codedRows() []coded {
	rows := slices.Concat(lightningRows(), inputRows(), credentialRows())
	for _, window := range payment.Windows() {
		rows = append(rows, coded{codeRestricted, string(window), []string{string(window), "1,000 sat", "600 sat spent", "400 sat remaining", "needs 600 sat", "Enough frees up at 20"}, false,
			func(t *testing.T, h *house) refused {
				o := h.funded(t, 20_000)
				key, _ := o.key("WRITE", map[string]any{strings.ToUpper(string(window)): 1_000})
				input := vars{"walletId": o.wallet.ID, "recipientWalletId": h.funded(t, 1).wallet.ID, "amount": 600}
				key.pay(payment.DoorIntraLedger, input).wantPaid()
				return key.pay(payment.DoorIntraLedger, input)
			}})
	}
	return append(rows,
		coded{codeRestricted, "account limit", []string{"daily", "this account", "1,000 sat", "600 sat spent", "400 sat remaining", "Enough frees up at 20"}, false, func(t *testing.T, h *house) refused {
			o := h.funded(t, 20_000)
			o.limitAccount(payment.InternalSend, payment.Daily, 1_000)
			input := vars{"walletId": o.wallet.ID, "recipientWalletId": h.funded(t, 1).wallet.ID, "amount": 600}
			o.pay(payment.DoorIntraLedger, input).wantPaid()
			return o.pay(payment.DoorIntraLedger, input)
		}},
		coded{codeBalance, "balance too small", []string{"50,250 sat", "20,000 sat"}, false, payInvoice(func(h *house) string { return h.peer.MakeInvoice(50_000).Request })},
		coded{codeSelf, "same wallet", []string{""}, false, func(t *testing.T, h *house) refused {
			o := h.funded(t, 100)
			return o.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": o.wallet.ID, "amount": 5})
		}},
		coded{codeSelf, "own invoice, same wallet", []string{""}, false, func(t *testing.T, h *house) refused {
			o := h.funded(t, 100)
			_, request := o.invoice(5)
			return o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": request})
		}},
		coded{codeNodeOffline, "nothing was sent", []string{"not reachable", "nothing was sent"}, true, func(t *testing.T, h *house) refused {
			o, invoice := h.funded(t, 20_000), h.peer.MakeInvoice(100).Request
			h.bank.Down()
			defer h.bank.Up()
			return o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": invoice})
		}},
		// A seam: until package lnurl is there, what is shown is that the door has no engine, not an endpoint that fails.
		coded{codeLnurl, "LNURL", []string{"invoice"}, false, payLnurlOf(payment.DoorLnurl, "lnurl", "lnurl1dp68gurn8ghj7")},
		coded{codeLnurl, "lightning address", []string{"invoice"}, false, payLnurlOf(payment.DoorLnAddress, "lnAddress", "a@b.example")},
		coded{codeNoPrice, "no price to pay at", []string{"no price"}, false, func(t *testing.T, h *house) refused {
			o := h.funded(t, 100)
			return o.pay(payment.DoorIntraLedgerUsd, vars{"walletId": o.usdWallet().ID, "recipientWalletId": h.funded(t, 1).wallet.ID, "amount": 5})
		}},
		coded{codeNoPrice, "no price to show", []string{"no price"}, false, func(t *testing.T, h *house) refused {
			return h.nobody(t).send(`{ realtimePrice { id } }`, nil)
		}},
		coded{codeTooMany, "per key", []string{"Too many requests", "Try again in 3600 s"}, false, func(t *testing.T, h *house) refused {
			once := limit.Rate{Count: 1, Per: time.Hour, Burst: 1}
			address := h.doorWith(t, func(cfg *Config) { cfg.Limiter = limit.New(limit.Rates{limit.Payments: {Key: once}}) })
			o := h.funded(t, 100)
			key, _ := o.key("WRITE", nil)
			key.house = &house{address: address}
			input := vars{"walletId": o.wallet.ID, "recipientWalletId": h.funded(t, 1).wallet.ID, "amount": 5}
			key.pay(payment.DoorIntraLedger, input).wantPaid()
			return key.pay(payment.DoorIntraLedger, input)
		}},
	)
}

// credentialRows are about who asks, or that it cannot be found out.
func credentialRows() []coded {
	return []coded{
		{codeUnknown, "the database is away, for a payment", []string{"did nothing", "Try again"}, false, func(t *testing.T, h *house) refused {
			o := h.funded(t, 100)
			key, _ := o.key("WRITE", nil)
			key.house = h.cutOff(t)
			return key.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": h.funded(t, 1).wallet.ID, "amount": 5})
		}},
		{codeUnknown, "the database is away, for a query", []string{"did nothing", "Try again"}, false, func(t *testing.T, h *house) refused {
			o := h.funded(t, 100)
			o.house = h.cutOff(t)
			return o.send(`{ me { id } }`, nil)
		}},
		{codeUnauthorized, "not authenticated", []string{"Not authorized"}, false, func(t *testing.T, h *house) refused {
			return h.nobody(t).send(`{ me { id } }`, nil)
		}},
		{codeUnauthorized, "wrong scope", []string{"Permission denied"}, false, func(t *testing.T, h *house) refused {
			return keyOf(h.funded(t, 1), "WRITE").send(`{ me { id } }`, nil)
		}},
		{codeUnauthorized, "another owner's key", []string{"API key not found"}, false, func(t *testing.T, h *house) refused {
			_, theirs := h.funded(t, 1).key("READ", nil)
			return h.funded(t, 1).send(`mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { apiKey { id } } }`, vars{"id": theirs})
		}},
	}
}

// cutOff is a door whose database cannot be reached.
func (h *house) cutOff(t *testing.T) *house {
	t.Helper()
	_, _, address, wire := h.far(t, func(*Config) {})
	wire.cut()
	return &house{address: address}
}

// payInvoice pays what of gives, from a wallet of 20,000 sat.
func payInvoice(of func(h *house) string) func(*testing.T, *house) refused {
	return func(t *testing.T, h *house) refused {
		o := h.funded(t, 20_000)
		return o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": of(h)})
	}
}

func payLnurlOf(door payment.Door, field, value string) func(*testing.T, *house) refused {
	return func(t *testing.T, h *house) refused {
		o := h.funded(t, 20_000)
		return o.pay(door, vars{"walletId": o.wallet.ID, field: value, "amount": 5})
	}
}

// failing is an invoice for which the network has a reason, at every attempt.
func failing(reason payment.Reason) func(h *house) string {
	return func(h *house) string {
		made := h.peer.MakeInvoice(100)
		h.bank.Plan(made.Hash, lndfake.Fails(reason), lndfake.Fails(reason), lndfake.Fails(reason), lndfake.Fails(reason))
		return made.Request
	}
}

func lightningRows() []coded {
	return []coded{
		{codeLightning, "own invoice already paid", []string{"Invoice is already paid"}, false, func(t *testing.T, h *house) refused {
			payer := h.funded(t, 20_000)
			_, request := h.funded(t, 1).invoice(100)
			input := vars{"walletId": payer.wallet.ID, "paymentRequest": request}
			payer.pay(payment.DoorInvoice, input).wantPaid()
			again := payer.pay(payment.DoorInvoice, input)
			if payer.balance() != 19_900 {
				t.Errorf("the balance is %d", payer.balance())
			}
			return alreadyPaid{again}
		}},
		{codeLightning, "rejected by the destination", []string{"rejected"}, false, payInvoice(failing(payment.ReasonRejected))},
		{codeLightning, "canceled at the destination", []string{"canceled"}, false, func(t *testing.T, h *house) refused {
			made := h.peer.MakeInvoice(100)
			if err := h.peer.CancelInvoice(t.Context(), made.Hash); err != nil {
				t.Fatal(err)
			}
			return payInvoice(func(*house) string { return made.Request })(t, h)
		}},
		{codeLightning, "own invoice canceled", []string{"canceled"}, false, func(t *testing.T, h *house) refused {
			payee := h.funded(t, 1)
			hash, request := payee.invoice(100)
			payee.ask(`mutation($i: LnInvoiceCancelInput!) { lnInvoiceCancel(input: $i) { success } }`, vars{"i": vars{"walletId": payee.wallet.ID, "paymentHash": hash}})
			return payInvoice(func(*house) string { return request })(t, h)
		}},
		{codeLightning, "attempts timed out", []string{"in time"}, false, payInvoice(failing(payment.ReasonTimeout))},
		{codeLightning, "expired", []string{"expired"}, false, payInvoice(func(h *house) string { return h.peer.MakeExpired(100).Request })},
		{codeRoute, "no route", []string{"No route"}, false, payInvoice(failing(payment.ReasonNoRoute))},
		{codeRoute, "fee over the limit", []string{"fee limit"}, false, payInvoice(func(h *house) string {
			made := h.peer.MakeInvoice(100)
			h.peer.SetRouteFee(made.Hash, payment.Sat(5_000).MustMsat())
			return made.Request
		})},
		{codeDecode, "does not decode", []string{""}, false, payInvoice(func(h *house) string {
			request := h.peer.MakeInvoice(100).Request
			return request[:len(request)-9] + "qqqqqqqqq"
		})},
	}
}

// inputRows are the cases of INVALID_INPUT. An unknown speed is none: an enum is for GraphQL itself to refuse, see
// TestUnknownSpeed.
func inputRows() []coded {
	const usdWallet, btcWallet = true, false
	row := func(what, says string, door payment.Door, usd bool, input func(t *testing.T, h *house) vars) coded {
		return coded{codeInput, what, []string{says}, false, func(t *testing.T, h *house) refused {
			o, all := h.funded(t, 20_000), input(t, h)
			if _, given := all["walletId"]; !given {
				all["walletId"] = o.wallet.ID
			}
			if usd {
				all["walletId"] = o.usdWallet().ID
			}
			return o.pay(door, all)
		}}
	}
	invoice := func(of, amount payment.Sat) func(*testing.T, *house) vars {
		return func(_ *testing.T, h *house) vars {
			return vars{"paymentRequest": h.peer.MakeInvoice(of).Request, "amount": amount}
		}
	}
	priced := func(of payment.Sat) func(*testing.T, *house) vars {
		return func(_ *testing.T, h *house) vars { return vars{"paymentRequest": h.peer.MakeInvoice(of).Request} }
	}
	to := func(amount payment.Sat) func(*testing.T, *house) vars {
		return func(t *testing.T, h *house) vars {
			return vars{"recipientWalletId": h.funded(t, 1).wallet.ID, "amount": amount}
		}
	}
	onchain := func(amount payment.Sat) func(*testing.T, *house) vars {
		return func(*testing.T, *house) vars { return vars{"address": lndfake.OutsideAddress(), "amount": amount} }
	}
	return []coded{
		{codeInput, "a payment with this hash is in flight", []string{"There is a pending payment for this invoice"}, false, func(t *testing.T, h *house) refused {
			o, held := h.funded(t, 20_000), h.peer.MakeHold(100)
			input := vars{"walletId": o.wallet.ID, "paymentRequest": held.Request}
			if p := o.pay(payment.DoorInvoice, input); p.status() != "PENDING" {
				t.Errorf("got %s", p.raw)
			}
			return o.pay(payment.DoorInvoice, input)
		}},
		row("zero", "above zero", payment.DoorIntraLedger, btcWallet, to(0)),
		row("zero on the chain", "above zero", payment.DoorOnchain, btcWallet, onchain(0)),
		row("zero for an open invoice", "above zero", payment.DoorNoAmountInvoice, btcWallet, invoice(0, 0)),
		row("zero beside an amount", "above zero", payment.DoorNoAmountInvoice, btcWallet, invoice(7, 0)),
		row("the amount given twice", "Leave the amount out", payment.DoorNoAmountInvoice, btcWallet, invoice(7, 7)),
		row("another amount", "", payment.DoorNoAmountInvoice, btcWallet, invoice(7, 8)),
		row("no amount", "no amount", payment.DoorInvoice, btcWallet, priced(0)),
		row("a USD wallet for an open invoice in satoshi", "needs a BTC wallet", payment.DoorNoAmountInvoice, usdWallet, invoice(0, 5)),
		row("a USD wallet for satoshi", "needs a BTC wallet", payment.DoorIntraLedger, usdWallet, to(5)),
		row("a USD wallet on the chain", "needs a BTC wallet", payment.DoorOnchain, usdWallet, onchain(5_000)),
		row("a BTC wallet for cents", "needs a USD wallet", payment.DoorIntraLedgerUsd, btcWallet, to(5)),
		row("a BTC wallet for an open invoice in cents", "needs a USD wallet", payment.DoorNoAmountUsdInvoice, btcWallet, invoice(0, 5)),
		row("a BTC wallet for cents on the chain", "needs a USD wallet", payment.DoorOnchainUsd, btcWallet, onchain(5_000)),
		row("a BTC wallet where USD pays satoshi", "needs a USD wallet", payment.DoorOnchainUsdAsBtc, btcWallet, onchain(5_000)),
		row("dust", "lightning", payment.DoorOnchain, btcWallet, onchain(500)),
		row("somebody else's wallet", "Invalid walletId for account.", payment.DoorInvoice, btcWallet, func(t *testing.T, h *house) vars {
			return vars{"walletId": h.funded(t, 1).wallet.ID, "paymentRequest": h.peer.MakeInvoice(5).Request}
		}),
		row("no such wallet", "Invalid walletId for account.", payment.DoorInvoice, btcWallet, func(_ *testing.T, h *house) vars {
			return vars{"walletId": uuid.New(), "paymentRequest": h.peer.MakeInvoice(5).Request}
		}),
		row("no such recipient", "recipient", payment.DoorIntraLedger, btcWallet, func(*testing.T, *house) vars {
			return vars{"recipientWalletId": uuid.New(), "amount": 5}
		}),
		row("a recipient in dollars", "currency", payment.DoorIntraLedger, btcWallet, func(t *testing.T, h *house) vars {
			return vars{"recipientWalletId": h.funded(t, 1).usdWallet().ID, "amount": 5}
		}),
	}
}

// A speed that the schema does not have is refused before any resolver: by GraphQL itself, with nothing sent.
func TestUnknownSpeed(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 20_000)
	input := vars{"walletId": o.wallet.ID, "address": lndfake.OutsideAddress(), "amount": 5_000, "speed": "LIGHTSPEED"}
	a := o.send(payQuery(payment.DoorOnchain), vars{"input": input})
	if a.Data != nil || len(a.Errors) != 1 || !strings.Contains(a.Errors[0].Message, "LIGHTSPEED") || o.balance() != 20_000 {
		t.Errorf("got %s", a.raw)
	}
}

// An invoice from outside that is paid already has no error: clients take one for a payment that failed, and refund it.
func TestOutsideInvoiceAlreadyPaid(t *testing.T) {
	t.Parallel()
	h := home(t)
	payer := h.funded(t, 20_000)
	input := vars{"walletId": payer.wallet.ID, "paymentRequest": h.peer.MakeInvoice(100).Request}
	payer.pay(payment.DoorInvoice, input).wantPaid()
	left := payer.balance()
	if again := payer.pay(payment.DoorInvoice, input); again.status() != "ALREADY_PAID" || again.code() != "" {
		t.Errorf("got %s", again.raw)
	}
	if payer.balance() != left {
		t.Errorf("the balance went from %d to %d", left, payer.balance())
	}
}
