package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/payment"
)

// CallbackEndpointAdd stores an address to call, and shows the secret of its signatures, this once.
func (m mutations) CallbackEndpointAdd(ctx context.Context, in generated.CallbackEndpointAddInput) (*generated.CallbackEndpointAddPayload, error) {
	refuse := func(err error) (*generated.CallbackEndpointAddPayload, error) {
		return &generated.CallbackEndpointAddPayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	if err := m.managed(ctx, in); err != nil {
		return refuse(err)
	}
	if !m.Callbacks.Set() {
		return refuse(payment.Errorf(payment.ReasonInvalidInput,
			"Callbacks are not set up on this server, so none would arrive. Ask its operator to set HOLDFAST_CALLBACK_SECRET."))
	}
	if err := callback.CheckURL(in.URL.Text, m.Development); err != nil {
		return refuse(err)
	}
	added, err := m.Ledger.AddCallback(ctx, account(ctx), in.URL.Text)
	if err != nil {
		return refuse(err)
	}
	return &generated.CallbackEndpointAddPayload{
		Errors: none(), ID: &scalar.EndpointID{ID: added.ID}, Secret: new(m.Callbacks.Of(added.ID)),
	}, nil
}

// CallbackEndpointDelete forgets one. What it was still to be told it is not told any more.
func (m mutations) CallbackEndpointDelete(ctx context.Context, in generated.CallbackEndpointDeleteInput) (*generated.SuccessPayload, error) {
	if err := m.managed(ctx, in); err != nil {
		return &generated.SuccessPayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	return m.succeeded(ctx, m.Ledger.DeleteCallback(ctx, account(ctx), in.ID.ID)), nil
}

// webhook is whom an invoice made on behalf of somebody is to tell when it is paid; empty for nobody.
func (r *resolver) webhook(url *scalar.EndpointURL) (string, error) {
	if url == nil || url.Text == "" { // a malformed one is refused with the other scalars
		return "", nil
	}
	return url.Text, callback.CheckURL(url.Text, r.Development)
}
