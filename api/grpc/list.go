package grpcapi

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// maxPage is the largest page of a list.
const maxPage = 100

func (s *paymentServer) List(ctx context.Context, req *paymentsv1.ListRequest) (*paymentsv1.ListResponse, error) {
	filter, err := filterOf(req)
	if err != nil {
		return nil, err
	}
	rows, err := s.starter.List(ctx, filter)
	if err != nil {
		return nil, err
	}
	page := &paymentsv1.ListResponse{}
	for _, row := range rows {
		page.Payments = append(page.Payments, paymentOf(row))
	}
	if len(rows) == filter.Limit {
		last := rows[len(rows)-1]
		page.NextPageToken = tokenOf(ledger.Cursor{CreatedAt: last.CreatedAt, ID: last.ID})
	}
	return page, nil
}

func filterOf(req *paymentsv1.ListRequest) (filter ledger.Filter, err error) {
	if filter.AccountID, err = parseOptionalID("account_id", req.GetAccountId()); err != nil {
		return filter, err
	}
	if filter.WalletID, err = parseOptionalID("wallet_id", req.GetWalletId()); err != nil {
		return filter, err
	}
	if filter.KeyID, err = parseOptionalID("key_id", req.GetKeyId()); err != nil {
		return filter, err
	}
	if filter.Kind, err = kindIn(req.GetKind()); err != nil {
		return filter, err
	}
	for _, state := range req.GetStates() {
		wanted, err := stateIn(state)
		if err != nil {
			return filter, err
		}
		filter.States = append(filter.States, wanted)
	}
	switch size := int(req.GetPageSize()); {
	case size < 0:
		return filter, payment.Errorf(payment.ReasonInvalidInput, "page_size is negative. Give up to %d, or nothing.", maxPage)
	case size == 0 || size > maxPage:
		filter.Limit = maxPage
	default:
		filter.Limit = size
	}
	if token := req.GetPageToken(); token != "" {
		filter.Before, err = cursorOf(token)
	}
	return filter, err
}

// tokenOf writes a cursor as text that means nothing to others: the row's time in microseconds, and its id.
func tokenOf(c ledger.Cursor) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", c.CreatedAt.UnixMicro(), c.ID))
}

func cursorOf(token string) (*ledger.Cursor, error) {
	bad := payment.Errorf(payment.ReasonInvalidInput, "page_token is none of ours. Give the next_page_token of the page before.")
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, bad
	}
	var micros int64
	var id string
	if _, err := fmt.Sscanf(string(text), "%d %s", &micros, &id); err != nil {
		return nil, bad
	}
	parsed, err := parseID("page_token", id)
	at := time.UnixMicro(micros)
	if err != nil || at.Year() < 2000 || at.Year() > 9999 { // Postgres knows no others that we would have written
		return nil, bad
	}
	return &ledger.Cursor{CreatedAt: at, ID: parsed}, nil
}
