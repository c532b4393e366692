package graphqlapi

import (
	"context"
	"math/big"
	"strings"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/payment"
)

// dollars is the display currency of who has chosen none.
const dollars = "USD"

// minorUnit is what clients expect as the unit of a price.
const minorUnit = "MINOR"

func (r *resolver) quote(ctx context.Context, currency string) (Quote, error) {
	if r.Prices == nil {
		return Quote{}, payment.Errorf(payment.ReasonNoPrice, "There is no price at the moment. Try again later.")
	}
	return r.Prices.Quote(ctx, currency)
}

func (r *resolver) realtimePrice(ctx context.Context, currency string) (*generated.RealtimePrice, error) {
	quote, err := r.quote(ctx, currency)
	if err != nil {
		return nil, err
	}
	c := quote.Currency
	return &generated.RealtimePrice{
		ID: c.Code, Timestamp: quote.At, DenominatorCurrency: scalar.New[scalar.DisplayCurrency](c.Code),
		DenominatorCurrencyDetails: &generated.Currency{ID: c.Code, Symbol: c.Symbol, Name: c.Name, Flag: c.Flag, FractionDigits: c.FractionDigits},
		BtcSatPrice:                &generated.PriceOfOneSatInMinorUnit{Base: quote.Sat.Base, Offset: quote.Sat.Offset, CurrencyUnit: minorUnit},
		UsdCentPrice:               &generated.PriceOfOneUsdCentInMinorUnit{Base: quote.Cent.Base, Offset: quote.Cent.Offset, CurrencyUnit: minorUnit},
	}, nil
}

// display is how an account wants amounts to be shown. Without a quote they are not.
type display struct {
	currency string
	quote    *Quote
}

// display never fails: a history without dollars is still a history. Amounts are shown at the price of now.
func (r *resolver) display(ctx context.Context, account payment.AccountID) display {
	d := display{currency: dollars}
	if user, err := r.user(ctx, account); err == nil && user.DisplayCurrency != "" {
		d.currency = user.DisplayCurrency
	}
	if r.Prices == nil {
		return d
	}
	if quote, err := r.Prices.Quote(ctx, d.currency); err == nil {
		d.quote = &quote
	}
	return d
}

// rate is the price of the smallest unit of a wallet's currency.
func (d display) rate(currency payment.Currency) Rate {
	if currency == payment.USD {
		return d.quote.Cent
	}
	return d.quote.Sat
}

// price fills in what a transaction is worth.
func (d display) price(t *generated.Transaction, currency payment.Currency) {
	if d.quote == nil {
		return
	}
	rate, digits := d.rate(currency), d.quote.Currency.FractionDigits
	t.SettlementPrice = &generated.PriceOfOneSettlementMinorUnitInDisplayMinorUnit{
		Base: rate.Base, Offset: rate.Offset, CurrencyUnit: minorUnit, FormattedAmount: new(rate.String()),
	}
	t.SettlementDisplayAmount = new(scalar.MajorUnits(rate.of(t.SettlementAmount), digits))
	t.SettlementDisplayFee = new(scalar.MajorUnits(rate.of(t.SettlementFee), digits))
}

// of converts an amount to minor units, rounded to the nearest, half away from zero. The product may exceed 64 bits.
func (rate Rate) of(amount int64) int64 {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(rate.Offset)), nil)
	twice := new(big.Int).Mul(big.NewInt(amount), big.NewInt(rate.Base))
	negative := twice.Sign() < 0
	twice.Abs(twice).Mul(twice, big.NewInt(2)).Add(twice, scale)
	rounded := twice.Quo(twice, scale.Mul(scale, big.NewInt(2)))
	if negative {
		rounded.Neg(rounded)
	}
	return rounded.Int64()
}

// String prints base / 10^offset in full: "0.0512".
func (rate Rate) String() string {
	text := scalar.MajorUnits(rate.Base, rate.Offset)
	if !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// major is the rate in major units, as a float: for showing, never for reckoning.
func (rate Rate) major(fractionDigits int) float64 {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(rate.Offset+fractionDigits)), nil)
	price, _ := new(big.Rat).SetFrac(big.NewInt(rate.Base), scale).Float64() // rounded to what a float can tell
	return price
}
