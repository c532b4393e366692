package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// lengths are how many transactions the account has.
var lengths = []int{100, 100_000}

// read is one measured question, asked of an account with so many transactions.
type read struct {
	Question     string  `json:"question"`
	Transactions int     `json:"transactions"`
	Operations   int     `json:"operations"`
	MedianMillis float64 `json:"median_ms"`
	P99Millis    float64 `json:"p99_ms"`
	SlowerThan   float64 `json:"median_over_median_at_100,omitempty"` // what holds on another machine
}

type historyReport struct {
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	Cores   int       `json:"cores"`
	Go      string    `json:"go"`
	Results []read    `json:"results"`
}

// question is asked of the ledger; it answers how many rows it got.
type question struct {
	name string
	ask  func(b *testing.B, l *ledger.Ledger, w ledger.Wallet) int
	want int
}

// BenchmarkHistory reads the history of one account as the API does: the first page of 100 with all fields, of the account and
// of its wallet, a page in the middle, the last page by cursor, and the balance. The same questions go to an account with 100
// transactions in the same database.
func BenchmarkHistory(b *testing.B) {
	url := ledgertest.Database(b)
	books := ledgertest.Open(b, url)
	payer := ledgertest.Funded(b, books, 0)
	wallets := map[int]ledger.Wallet{}
	for _, n := range lengths {
		wallets[n] = ledgertest.Funded(b, books, 0)
		ledgertest.SeedHistory(b, url, wallets[n], payer, n)
	}
	ledgertest.Exec(b, url, "VACUUM ANALYZE")
	out := &historyReport{Name: "history", At: time.Now().UTC(), Cores: runtime.NumCPU(), Go: runtime.Version()}
	for _, q := range questions() {
		for _, n := range lengths {
			b.Run(fmt.Sprintf("%s/transactions=%d", q.name, n), func(b *testing.B) {
				out.add(measure(b, books, wallets[n], q, n))
			})
		}
	}
	out.print()
	writeJSON(b, out.Name, out)
}

func questions() []question {
	page := func(b *testing.B, l *ledger.Ledger, f ledger.TransactionFilter) []ledger.Transaction {
		rows, err := l.Transactions(b.Context(), f)
		if err != nil {
			b.Fatal(err)
		}
		return rows
	}
	// The last page ends at the oldest row: a client that has its cursor asks for what is older than the one before.
	var last *ledger.Cursor
	var of ledger.Wallet
	return []question{
		{"first page of the account", func(b *testing.B, l *ledger.Ledger, w ledger.Wallet) int {
			return len(page(b, l, ledger.TransactionFilter{AccountID: w.AccountID}))
		}, 100},
		{"first page of the wallet", func(b *testing.B, l *ledger.Ledger, w ledger.Wallet) int {
			return len(page(b, l, ledger.TransactionFilter{AccountID: w.AccountID, WalletIDs: []payment.WalletID{w.ID}}))
		}, 100},
		{"last page by cursor", func(b *testing.B, l *ledger.Ledger, w ledger.Wallet) int {
			if of.ID != w.ID {
				oldest := page(b, l, ledger.TransactionFilter{AccountID: w.AccountID, Oldest: true})
				of, last = w, &ledger.Cursor{CreatedAt: oldest[0].CreatedAt.Add(time.Microsecond)}
			}
			return len(page(b, l, ledger.TransactionFilter{AccountID: w.AccountID, Before: last}))
		}, 100},
		{"last page from the old end", func(b *testing.B, l *ledger.Ledger, w ledger.Wallet) int {
			return len(page(b, l, ledger.TransactionFilter{AccountID: w.AccountID, WalletIDs: []payment.WalletID{w.ID}, Oldest: true}))
		}, 100},
		{"balance", func(b *testing.B, l *ledger.Ledger, w ledger.Wallet) int {
			if _, err := l.Wallet(b.Context(), w.ID); err != nil {
				b.Fatal(err)
			}
			return 1
		}, 1},
	}
}

func measure(b *testing.B, l *ledger.Ledger, w ledger.Wallet, q question, n int) read {
	b.Helper()
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		begun := time.Now()
		got := q.ask(b, l, w)
		took = append(took, time.Since(begun))
		if got != q.want {
			b.Fatalf("%d rows, want %d", got, q.want)
		}
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Microseconds()) / 1000
	}
	return read{Question: q.name, Transactions: n, Operations: len(took), MedianMillis: at(0.5), P99Millis: at(0.99)}
}

func (r *historyReport) add(row read) {
	for _, known := range r.Results {
		if known.Question == row.Question && known.Transactions == lengths[0] && known.MedianMillis > 0 {
			row.SlowerThan = row.MedianMillis / known.MedianMillis
		}
	}
	r.Results = append(r.Results, row)
}

func (r *historyReport) print() {
	line := func(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }
	line("%-28s %14s %10s %10s %18s", "question", "transactions", "median", "p99", "slower than at 100")
	for _, row := range r.Results {
		slower := ""
		if row.SlowerThan > 0 {
			slower = fmt.Sprintf("%.2fx", row.SlowerThan)
		}
		line("%-28s %14d %7.2f ms %7.2f ms %18s", row.Question, row.Transactions, row.MedianMillis, row.P99Millis, slower)
	}
}
