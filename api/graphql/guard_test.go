package graphqlapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/holdfast-pay/holdfast/api/limit"
)

// ownAnswers are what a mutation may answer to a caller without READ: what it has just made or changed. A type that is
// new in an answer belongs either here or, in guard.go, to the scope READ.
var ownAnswers = []string{
	"Error", "GraphQLApplicationError", "Transaction", "InitiationVia", "InitiationViaIntraLedger", "InitiationViaLn", "InitiationViaOnChain",
	"SettlementVia", "SettlementViaIntraLedger", "SettlementViaLn", "SettlementViaOnChain", "PriceInterface",
	"PriceOfOneSettlementMinorUnitInDisplayMinorUnit", "LnInvoice", "LnNoAmountInvoice", "Invoice", "ApiKey", "ApiKeyLimits",
}

// WRITE does not imply READ, through whatever field of whatever mutation: this walks all that a payload leads to.
func TestNoPayloadLeadsToWhatIsRead(t *testing.T) {
	t.Parallel()
	h := home(t)
	_, r := newHandler(h.config)
	writer, _ := h.funded(t, 1_000).key("WRITE", nil)
	for _, mutation := range r.schema.Mutation.Fields {
		if strings.HasPrefix(mutation.Name, "__") {
			continue
		}
		payload := mutation.Type.Name()
		for path, field := range reachable(r.schema, payload, nil) {
			if !readable(field.Type.Name()) {
				t.Errorf("%s.%s leads to %s: is it the mutation's own answer, or what READ may see?", mutation.Name, path, field.Type.Name())
				continue
			}
			if accessOf(mutation).owner { // no key may ask for it at all
				t.Errorf("%s.%s leads to %s", mutation.Name, path, field.Type.Name())
			}
			names := strings.Split(path, ".")
			selection := strings.Join(names, " { ") + " { __typename }" + strings.Repeat(" }", len(names)-1)
			for _, query := range []string{
				"mutation { %s%s { %s } }", "mutation { %s%s { ... { a: %s } } }", "mutation M { ...M } fragment M on Mutation { %s%s { ... @include(if: true) { %s } } }",
			} {
				query = fmt.Sprintf(query, mutation.Name, arguments(r, mutation.Name, "Mutation"), selection)
				writer.send(query, nil).wantRefused(codeUnauthorized, "Permission denied")
			}
		}
	}
}

// reachable are the fields, by their path from a type, that lead to what is neither a mutation's own answer nor a value.
func reachable(schema *ast.Schema, name string, through []string) map[string]*ast.FieldDefinition {
	found := map[string]*ast.FieldDefinition{}
	for _, object := range schema.GetPossibleTypes(schema.Types[name]) {
		for _, field := range object.Fields {
			to := field.Type.Name()
			switch {
			case !schema.Types[to].IsCompositeType() || slices.Contains(through, to):
			case !slices.Contains(ownAnswers, to):
				found[field.Name] = field
			default:
				for path, end := range reachable(schema, to, append(slices.Clone(through), to)) {
					found[field.Name+"."+path] = end
				}
			}
		}
	}
	return found
}

// What changes an account has a class of its own, and what asks the node for a fee that of payments.
func TestEveryCostlyFieldHasARate(t *testing.T) {
	t.Parallel()
	h := home(t)
	for _, c := range []struct {
		class, root string
		fields      []string
	}{
		{limit.Accounts, "Mutation", []string{
			"apiKeyCreate", "apiKeyRevoke", "apiKeySetLimit", "apiKeyRemoveLimit", "userUpdateUsername", "accountUpdateDisplayCurrency",
			"accountUpdateDefaultWalletId", "callbackEndpointAdd", "callbackEndpointDelete", "lnInvoiceCancel",
		}},
		{limit.Payments, "Query", []string{"onChainTxFee", "onChainUsdTxFee", "onChainUsdTxFeeAsBtcDenominated"}},
		{limit.Payments, "Mutation", []string{"lnInvoiceFeeProbe", "lnNoAmountInvoiceFeeProbe", "lnUsdInvoiceFeeProbe", "lnNoAmountUsdInvoiceFeeProbe"}},
	} {
		for _, field := range c.fields {
			cfg := h.config
			once := limit.Rate{Count: 1, Per: time.Hour, Burst: 1}
			cfg.Limiter = limit.New(limit.Rates{c.class: {Account: once}})
			door, r := newHandler(must(t, cfg))
			address, stop, err := h.frame(door)
			if err != nil {
				t.Fatal(err)
			}
			o := h.funded(t, 1_000)
			o.house = &house{address: address}
			selection := "{ __typename }"
			if r.schema.Types[r.schema.Types[c.root].Fields.ForName(field).Type.Name()].Fields.ForName("errors") != nil {
				selection = "{ errors { code message } }"
			}
			query := strings.ToLower(c.root) + " { " + field + arguments(r, field, c.root) + selection + " }"
			if a := o.send(query, nil); strings.Contains(a.raw, string(codeTooMany)) {
				t.Errorf("%s: the first: %s", field, a.raw)
			}
			if a := o.send(query, nil); !strings.Contains(a.raw, string(codeTooMany)) {
				t.Errorf("%s has no rate of the class %s: %s", field, c.class, a.raw)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	}
}

func must(t testing.TB, cfg Config) Config {
	t.Helper()
	cfg, err := cfg.complete()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
