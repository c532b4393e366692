package grpcapi

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// paymentServer is holdfast.payments.v1.PaymentsService. Its steering and limits are in steer.go.
type paymentServer struct {
	paymentsv1.UnimplementedPaymentsServiceServer
	starter *starter.Starter
	ledger  *ledger.Ledger
}

func (s *paymentServer) Start(ctx context.Context, req *paymentsv1.StartRequest) (*paymentsv1.StartResponse, error) {
	who, wallet, err := callerOf(req)
	if err != nil {
		return nil, err
	}
	if err := maySpend(ctx, s.ledger, who.KeyID); err != nil {
		return nil, err
	}
	row, err := s.start(ctx, req, who, wallet)
	if err != nil {
		return nil, err
	}
	if row.State == payment.Refused && row.Failure != nil { // nothing moved: an error, as if validation had refused
		return nil, &payment.Error{Failure: *row.Failure}
	}
	return &paymentsv1.StartResponse{Payment: paymentOf(row)}, nil
}

// maySpend refuses a key that was made for other things. Whether there is such a key, and whose it is, is asked elsewhere.
func maySpend(ctx context.Context, books *ledger.Ledger, id payment.KeyID) error {
	if id == (payment.KeyID{}) {
		return nil
	}
	key, err := books.Key(ctx, id)
	if payment.IsReason(err, payment.ReasonKeyNotFound) {
		return nil
	}
	if err == nil && !slices.Contains(key.Scopes, payment.ScopeWrite) {
		return payment.Errorf(payment.ReasonPermissionDenied, "This API key may not spend: it has no WRITE scope. Use another key.")
	}
	return err
}

func callerOf(req *paymentsv1.StartRequest) (starter.Caller, payment.WalletID, error) {
	account, err := parseID("account_id", req.GetAccountId())
	if err != nil {
		return starter.Caller{}, payment.WalletID{}, err
	}
	key, err := parseOptionalID("key_id", req.GetKeyId())
	if err != nil {
		return starter.Caller{}, payment.WalletID{}, err
	}
	wallet, err := parseID("wallet_id", req.GetWalletId())
	return starter.Caller{AccountID: account, KeyID: key, Door: payment.DoorGRPC, IdempotencyKey: req.GetIdempotencyKey()}, wallet, err
}

func (s *paymentServer) start(ctx context.Context, req *paymentsv1.StartRequest, who starter.Caller, wallet payment.WalletID) (ledger.Payment, error) {
	switch to := req.GetDestination().(type) {
	case *paymentsv1.StartRequest_Invoice_:
		return s.starter.PayInvoice(ctx, starter.PayInvoice{
			Caller: who, WalletID: wallet, Invoice: to.Invoice.GetPaymentRequest(), Amount: payment.Msat(to.Invoice.GetAmountMsat()),
			MaxFee: (*payment.Msat)(to.Invoice.MaxFeeMsat), Memo: req.GetMemo(),
		})
	case *paymentsv1.StartRequest_Address_:
		speed, err := speedIn(to.Address.GetSpeed())
		if err != nil {
			return ledger.Payment{}, err
		}
		return s.starter.PayAddress(ctx, starter.PayAddress{
			Caller: who, WalletID: wallet, Address: to.Address.GetAddress(), Amount: payment.Sat(to.Address.GetAmountSat()),
			SendAll: to.Address.GetSendAll(), Speed: speed, Memo: req.GetMemo(),
		})
	case *paymentsv1.StartRequest_Wallet_:
		recipient, err := parseID("wallet.wallet_id", to.Wallet.GetWalletId())
		if err != nil {
			return ledger.Payment{}, err
		}
		return s.starter.PayWallet(ctx, starter.PayWallet{
			Caller: who, WalletID: wallet, RecipientID: recipient, Amount: payment.Msat(to.Wallet.GetAmountMsat()), Memo: req.GetMemo(),
		})
	default:
		return ledger.Payment{}, payment.Errorf(payment.ReasonInvalidInput, "No destination is named. Give an invoice, an address or a wallet.")
	}
}

func (s *paymentServer) Get(ctx context.Context, req *paymentsv1.GetRequest) (*paymentsv1.GetResponse, error) {
	account, id, err := whichPayment(req)
	if err != nil {
		return nil, err
	}
	row, err := s.starter.Get(ctx, account, id)
	if err != nil {
		return nil, err
	}
	return &paymentsv1.GetResponse{Payment: paymentOf(row)}, nil
}

func (s *paymentServer) Watch(req *paymentsv1.WatchRequest, stream grpc.ServerStreamingServer[paymentsv1.WatchResponse]) error {
	account, id, err := whichPayment(req)
	if err != nil {
		return err
	}
	return s.starter.Watch(stream.Context(), account, id, func(row ledger.Payment) error {
		return stream.Send(&paymentsv1.WatchResponse{Payment: paymentOf(row)})
	})
}

// about is a request about one payment.
type about interface {
	GetId() string
	GetAccountId() string
}

func whichPayment(req about) (account payment.AccountID, id payment.ID, err error) {
	if account, err = parseOptionalID("account_id", req.GetAccountId()); err != nil {
		return account, id, err
	}
	id, err = parseID("id", req.GetId())
	return account, id, err
}
