package graphqlapi

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/nodetest"
)

// Clients that nobody here wrote.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	h := home(t)
	payer := h.funded(t, 50_000)
	key, _ := payer.key("WRITE", nil)
	nodetest.Run(t, "nodeclient", "client.mjs", "ADDRESS="+h.address, fmt.Sprintf("PHONE=+1650%07d", uuid.New().ID()%10_000_000),
		"PAYER_KEY="+key.header.Get("X-Api-Key"), "PAYER_WALLET="+payer.wallet.ID.String())
	if payer.balance() != 34_000 { // 20,000 out, 4,000 back
		t.Errorf("the payer has %d sat", payer.balance())
	}
}
