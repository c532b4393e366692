package grpcapi_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/api/nodetest"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// A client in another language, made from the protos by libraries that know nothing of us; in production's way, with TLS
// and a token.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := certificate(t)
	server := secured(t, certFile, keyFile)
	wallet, friend := ledgertest.Funded(t, house.ledger, 10_000*sat), ledgertest.Funded(t, house.ledger, 0)
	key := ledgertest.NewKey(t, house.ledger, wallet.AccountID, map[payment.Window]payment.Sat{payment.Daily: 10_000})
	nodetest.Run(t, "nodeclient", "client.js", "HOLDFAST_GRPC="+server.address, "HOLDFAST_GRPC_TOKEN="+token, "HOLDFAST_GRPC_CA="+certFile,
		"API_KEY_ID="+key.ID.String(), "ACCOUNT_ID="+wallet.AccountID.String(), "WALLET_ID="+wallet.ID.String(), "RECIPIENT_ID="+friend.ID.String())
	got, err := house.ledger.Wallet(t.Context(), friend.ID)
	if err != nil || got.Balance != 2_500*sat {
		t.Errorf("the friend has %v, %v", got.Balance, err)
	}
}
