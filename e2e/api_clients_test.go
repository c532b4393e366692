package e2e_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/nodetest"
	"github.com/holdfast-pay/holdfast/payment"
)

// TestAPIForeignClients: an ordinary GraphQL client, another one, and graphql-ws, none of them ours, against the running
// network.
func TestAPIForeignClients(t *testing.T) {
	t.Parallel()
	c := signUp(t, 50_000)
	nodetest.Run(t, "../api/graphql/nodeclient", "client.mjs", "ADDRESS="+strings.TrimPrefix(c.net.Env()["HOLDFAST_HTTP"], "http://"),
		"PHONE="+phoneOf(uuid.New()), "PAYER_KEY="+c.secret, "PAYER_WALLET="+c.wallet.String())
	if balance := c.apiBalance(); balance != 34_000 { // 20,000 out, 4,000 back
		t.Errorf("the payer has %v", balance)
	}
}

// TestAPIForeignGRPCClient: made at run time from the protos.
func TestAPIForeignGRPCClient(t *testing.T) {
	t.Parallel()
	g, friend := enter(t, 10_000), enter(t, 0)
	g.limit(payment.Daily, 10_000)
	env := g.net.Env()
	nodetest.Run(t, "../api/grpc/nodeclient", "client.js", "HOLDFAST_GRPC="+env["HOLDFAST_GRPC"], "HOLDFAST_GRPC_TOKEN="+env["HOLDFAST_GRPC_TOKEN"],
		"API_KEY_ID="+g.key.String(), "ACCOUNT_ID="+g.account.String(), "WALLET_ID="+g.wallet.String(), "RECIPIENT_ID="+friend.wallet.String())
	w, err := g.books.Wallet(t.Context(), friend.wallet)
	must(t, err)
	if w.Balance != payment.Sat(2_500).MustMsat() {
		t.Errorf("the friend has %v", w.Balance)
	}
}
