package workflows_test

import (
	"github.com/holdfast-pay/holdfast/payment"
)

const (
	sat       payment.Msat = 1000
	testTxID               = "5e7c1a0f0f3b0b5f2f0f5b9f8b1a2c3d4e5f60718293a4b5c6d7e8f901234567"
	minerRate uint64       = 7
)

func base(kind payment.Kind) payment.Request {
	return payment.Request{
		ID: payment.NewID(), Kind: kind, Door: payment.DoorGo,
		AccountID: payment.NewID(), WalletID: payment.NewID(), KeyID: payment.NewID(), Amount: 5000 * sat,
	}
}

func lightningRequest() payment.Request {
	req := base(payment.Lightning)
	req.Node, req.FeeReserve, req.Invoice, req.PaymentHash = testNode, 25*sat, "lnbcrt50u1pjexample", payment.Hash{1}
	return req
}

func onchainRequest() payment.Request {
	req := base(payment.Onchain)
	req.Node, req.Address, req.Speed = testNode, "bcrt1qexample", payment.Fast
	return req
}

func walletRequest() payment.Request {
	req := base(payment.Intraledger)
	req.RecipientID = payment.NewID()
	return req
}

func ownInvoiceRequest() payment.Request {
	req := base(payment.Intraledger)
	req.Node, req.RecipientID, req.Invoice, req.PaymentHash = testNode, payment.NewID(), "lnbcrt50u1pjexample", payment.Hash{2}
	return req
}
