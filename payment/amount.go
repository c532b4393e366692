package payment

import (
	"fmt"
	"math"
	"strconv"
)

// Msat is an amount of bitcoin in millisatoshi (BOLT 11). The ledger is exact to it.
type Msat int64

// Sat is an amount of bitcoin in satoshi, the unit of on-chain outputs, budgets and the API.
type Sat int64

// Cents is an amount of US dollars in cents.
type Cents int64

// MaxSat is the largest amount that a single payment or limit may name: 10^13 sat. SatAmount in the schema
// has the same end.
const MaxSat Sat = 10_000_000_000_000

const msatPerSat = 1000

// Msat converts to millisatoshi; false when it would overflow.
func (s Sat) Msat() (Msat, bool) {
	if s > math.MaxInt64/msatPerSat || s < math.MinInt64/msatPerSat {
		return 0, false
	}
	return Msat(s) * msatPerSat, true
}

// MustMsat converts an amount that is known to be at most MaxSat.
// It panics otherwise: use Msat for amounts that come from outside.
func (s Sat) MustMsat() Msat {
	m, ok := s.Msat()
	if !ok {
		panic(fmt.Sprintf("payment: %d sat do not fit in msat", int64(s)))
	}
	return m
}

// String prints the amount with thousands separators, for example "10,000 sat".
func (s Sat) String() string { return group(int64(s)) + " sat" }

// Floor rounds down to whole satoshi: how balances are shown.
func (m Msat) Floor() Sat {
	q := m / msatPerSat
	if m%msatPerSat < 0 {
		q--
	}
	return Sat(q)
}

// Ceil rounds up to whole satoshi: how debits are shown and budgets are charged.
func (m Msat) Ceil() Sat {
	q := m / msatPerSat
	if m%msatPerSat > 0 {
		q++
	}
	return Sat(q)
}

// Add returns the sum; false when it would overflow.
func (m Msat) Add(n Msat) (Msat, bool) {
	sum := m + n
	if (n > 0 && sum < m) || (n < 0 && sum > m) {
		return 0, false
	}
	return sum, true
}

// Sub returns the difference; false when it would overflow.
func (m Msat) Sub(n Msat) (Msat, bool) {
	diff := m - n
	if (n > 0 && diff > m) || (n < 0 && diff < m) {
		return 0, false
	}
	return diff, true
}

// String prints whole satoshi, with the fraction where there is one: "1,234.567 sat".
func (m Msat) String() string {
	whole, rest := m/msatPerSat, m%msatPerSat
	if rest == 0 {
		return Sat(whole).String()
	}
	sign := ""
	if m < 0 {
		sign = "-"
		whole, rest = -whole, -rest
	}
	return fmt.Sprintf("%s%s.%03d sat", sign, group(int64(whole)), int64(rest))
}

func group(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
