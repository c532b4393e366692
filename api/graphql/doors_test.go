package graphqlapi

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// spy is a payer that remembers who asked.
type spy struct {
	mu   sync.Mutex
	seen []starter.Caller
}

func (s *spy) note(who starter.Caller) (ledger.Payment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, who)
	return ledger.Payment{}, payment.Errorf(payment.ReasonInvalidInput, "seen by the spy")
}

func (s *spy) PayInvoice(_ context.Context, ask starter.PayInvoice) (ledger.Payment, error) {
	return s.note(ask.Caller)
}
func (s *spy) PayAddress(_ context.Context, ask starter.PayAddress) (ledger.Payment, error) {
	return s.note(ask.Caller)
}
func (s *spy) PayWallet(_ context.Context, ask starter.PayWallet) (ledger.Payment, error) {
	return s.note(ask.Caller)
}
func (s *spy) PayDollars(_ context.Context, ask payDollars) (ledger.Payment, error) {
	return s.note(ask.Caller)
}
func (s *spy) PayLnurl(_ context.Context, ask payLnurl) (ledger.Payment, error) {
	return s.note(ask.Caller)
}

// Invariant 2: account, key, door and idempotency key of every payment mutation come from the request, in both currencies
// where a mutation pays in both.
func TestTheKeyReachesEveryPaymentMutation(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg, err := h.config.complete()
	if err != nil {
		t.Fatal(err)
	}
	door, r := newHandler(cfg)
	watched := &spy{}
	r.payer = watched
	address, stop, err := h.frame(door)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })

	o := h.funded(t, 1)
	usd := o.usdWallet().ID.String()
	key, id := o.key("WRITE", nil)
	inSchema := 0
	for _, field := range r.schema.Mutation.Fields {
		if field.Type.Name() == "PaymentSendPayload" {
			inSchema++
			if !slices.Contains(payment.MutationDoors(), payment.Door(field.Name)) {
				t.Errorf("%s pays and is no door", field.Name)
			}
		}
	}
	if inSchema != len(payment.MutationDoors()) {
		t.Errorf("%d mutations pay, %d doors are known", inSchema, len(payment.MutationDoors()))
	}
	for _, door := range payment.MutationDoors() {
		for _, wallet := range []string{o.wallet.ID.String(), usd} {
			watched.seen = nil
			again := uuid.NewString()
			input := vars{"walletId": wallet}
			for _, field := range r.schema.Types[inputType(door)].Fields {
				if _, set := input[field.Name]; !set && field.Type.NonNull && field.DefaultValue == nil {
					input[field.Name] = example(field.Type.Name())
				}
			}
			caller := key.with("X-Idempotency-Key", again)
			caller.house = &house{address: address}
			p := caller.pay(door, input)
			dollarsOnly := strings.Contains(string(door), "Usd")
			bitcoinOnly := door == payment.DoorIntraLedger || door == payment.DoorNoAmountInvoice || door == payment.DoorOnchain
			if dollarsOnly && wallet != usd || bitcoinOnly && wallet == usd {
				p.wantFailed(codeInput, "wallet")
				continue
			}
			want := starter.Caller{AccountID: o.wallet.AccountID, KeyID: uuid.MustParse(id), Door: door, IdempotencyKey: again}
			if len(watched.seen) != 1 || watched.seen[0] != want {
				t.Errorf("%s: %+v, want %+v", door, watched.seen, want)
			}
		}
	}
}

func example(scalar string) any {
	switch scalar {
	case "WalletId":
		return uuid.NewString()
	case "SatAmount", "CentAmount":
		return 5_000
	case "OnChainAddress":
		return lndfake.OutsideAddress()
	default:
		return "lnbcrt1example"
	}
}

// Invariant 1: every root field says who may ask for it, in exactly one way.
func TestEveryRootFieldSaysWhoMayAsk(t *testing.T) {
	t.Parallel()
	_, r := newHandler(home(t).config)
	for _, root := range []string{"Query", "Mutation", "Subscription"} {
		for _, field := range r.schema.Types[root].Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			said := 0
			for _, name := range []string{"open", "owner", "needs"} {
				if field.Directives.ForName(name) != nil {
					said++
				}
			}
			if a := accessOf(field); said != 1 || field.Directives.ForName("needs") != nil && len(a.anyOf) == 0 {
				t.Errorf("%s.%s has %d of @open, @owner and @needs", root, field.Name, said)
			}
			for _, scope := range accessOf(field).anyOf {
				if !slices.Contains(payment.Scopes(), scope) {
					t.Errorf("%s.%s needs the scope %q", root, field.Name, scope)
				}
			}
		}
	}
}

// Everything that is not open is refused to nobody, and what is the owner's to every API key, with exactly one error.
func TestNobodyMayAskForMore(t *testing.T) {
	t.Parallel()
	h := home(t)
	_, r := newHandler(h.config)
	o := h.funded(t, 1)
	key, _ := o.key("READ RECEIVE WRITE", nil)
	for _, root := range []string{"Query", "Mutation"} {
		for _, field := range r.schema.Types[root].Fields {
			if strings.HasPrefix(field.Name, "__") || accessOf(field).open {
				continue
			}
			query := strings.ToLower(root) + " { " + field.Name + arguments(r, field.Name, root) + " { __typename } }"
			h.nobody(t).send(query, nil).wantRefused(codeUnauthorized, "Not authorized")
			h.nobody(t).send(strings.Replace(query, "{", "{ a: __typename ", 1), nil).wantRefused(codeUnauthorized, "Not authorized")
			if accessOf(field).owner {
				key.send(query, nil).wantRefused(codeUnauthorized, "Permission denied")
			}
		}
	}
	// Through fragments and aliases, one error for all.
	h.nobody(t).send(`query { a: me { id } ...F } fragment F on Query { b: me { id } ... on Query { c: authorization { scopes } } }`, nil).
		wantRefused(codeUnauthorized, "Not authorized")
}

// arguments writes what a field needs, as literals.
func arguments(r *resolver, name, root string) string {
	field := r.schema.Types[root].Fields.ForName(name)
	if len(field.Arguments) == 0 {
		return ""
	}
	var parts []string
	for _, arg := range field.Arguments {
		if arg.Type.NonNull && arg.DefaultValue == nil {
			parts = append(parts, arg.Name+": "+literal(r, arg.Type.Name()))
		}
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func literal(r *resolver, typeName string) string {
	definition := r.schema.Types[typeName]
	switch {
	case len(definition.Fields) > 0:
		var parts []string
		for _, field := range definition.Fields {
			if field.Type.NonNull && field.DefaultValue == nil {
				parts = append(parts, field.Name+": "+literal(r, field.Type.Name()))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case len(definition.EnumValues) > 0:
		return definition.EnumValues[0].Name
	case strings.HasSuffix(typeName, "Amount"), typeName == "Int":
		return "5"
	case typeName == "Username":
		return strconv.Quote("somebody_else")
	case typeName == "DisplayCurrency":
		return strconv.Quote("USD")
	case typeName == "EndpointUrl":
		return strconv.Quote("https://shop.example/called")
	case typeName == "EndpointId", typeName == "WalletId":
		return strconv.Quote(uuid.NewString())
	case typeName == "PaymentHash":
		return strconv.Quote(strings.Repeat("0", 64))
	case typeName == "OnChainAddress", typeName == "LnPaymentRequest":
		return fmt.Sprintf("%q", example(typeName))
	default:
		return strconv.Quote("x")
	}
}

// The table of codes knows every reason of package payment.
func TestEveryReasonHasACode(t *testing.T) {
	t.Parallel()
	source, err := parser.ParseFile(token.NewFileSet(), "../../payment/failure.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(source, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if codeOf(payment.Reason(text)) == "" {
			t.Errorf("%s has no code", spec.Names[0].Name)
		}
		return true
	})
	if found < 30 {
		t.Errorf("only %d reasons were found", found)
	}
	if codeOf("unheard of") != "" {
		t.Error("a reason that does not exist has a code")
	}
}

// Another account's API key at the door of the frame.
func TestRevokedKeyIs401(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	key, id := o.key("READ", nil)
	key.ask(`{ me { id } }`, nil)
	o.ask(`mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { apiKey { revoked } } }`, vars{"id": id}).want("apiKeyRevoke.apiKey.revoked", "true")
	for _, caller := range []*owner{key, key.with("X-Api-Key", "test_"+strings.Repeat("a", 64)), key.with("X-Api-Key", "?")} {
		a := caller.send(`{ me { id } }`, nil)
		a.wantStatus(http.StatusUnauthorized)
		if !strings.Contains(a.raw, `"error":{"code":401`) {
			t.Errorf("got %s", a.raw)
		}
	}
}

// WRITE does not imply READ, wherever an answer leads: every mutation whose payload has an account in it.
func TestWriteAloneReadsNothing(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1_000)
	writer, _ := o.key("WRITE", nil)
	for _, query := range []string{
		`mutation { accountUpdateDisplayCurrency(input: {currency: "USD"}) { account { wallets { balance } } } }`,
		`mutation { accountUpdateDisplayCurrency(input: {currency: "USD"}) { ...A } } fragment A on AccountUpdateDisplayCurrencyPayload { account { id } }`,
		`mutation { accountUpdateDefaultWalletId(input: {walletId: "` + o.wallet.ID.String() + `"}) { account { id } } }`,
		`mutation { userUpdateUsername(input: {username: "somebody_new"}) { user { apiKeys { name } } } }`,
	} {
		writer.send(query, nil).wantRefused(codeUnauthorized, "")
	}
	writer.ask(`mutation { accountUpdateDisplayCurrency(input: {currency: "USD"}) { errors { message } } }`, nil)
}
