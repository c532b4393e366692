package graphqlapi

import "testing"

// Currencies that are in use by ISO 4217 can be shown; others are refused, and the choice stays.
func TestDisplayCurrencies(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	const change = `mutation($c: DisplayCurrency!) { accountUpdateDisplayCurrency(input: {currency: $c}) { errors { message code path } account { displayCurrency } } }`
	set := func(code string) *answer { return o.ask(change, vars{"c": code}) }
	for _, code := range []string{"USD", "JPY", "KWD", "VES", "SLE", "CRC", "EUR"} {
		a := set(code)
		a.want("accountUpdateDisplayCurrency.account.displayCurrency", code)
		a.want("accountUpdateDisplayCurrency.errors", "[]")
	}
	for _, code := range []string{"XXX", "ZZZ", "XTS", "XAU", "DEM", "BTC", "USDT"} { // none, none, tests, gold, of the past, not of ISO 4217
		a := set(code)
		a.want("accountUpdateDisplayCurrency.errors.0.code", string(codeInput))
		a.want("accountUpdateDisplayCurrency.errors.0.path.0", "accountUpdateDisplayCurrency")
		a.want("accountUpdateDisplayCurrency.errors.0.message", code+" is no currency in use. Give the code of one by ISO 4217, like USD or EUR.")
		a.want("accountUpdateDisplayCurrency.account", "")
	}
	set("usd").want("accountUpdateDisplayCurrency.errors.0.code", "") // malformed: class 2
	o.ask(`{ me { defaultAccount { displayCurrency } } }`, nil).want("me.defaultAccount.displayCurrency", "EUR")
}
