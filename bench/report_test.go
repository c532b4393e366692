package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// result is one measured row.
type result struct {
	Side       string  `json:"side"`
	Spends     int     `json:"earlier_spends"`
	Callers    int     `json:"callers"`
	Operations int     `json:"operations"`
	PerSecond  float64 `json:"per_second"`
}

type report struct {
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	Cores   int       `json:"cores"`
	Go      string    `json:"go"`
	Results []result  `json:"results"`
	Ratios  []ratio   `json:"ratios"`
}

// ratio is what holds on another machine.
type ratio struct {
	Spends      int     `json:"earlier_spends"`
	Callers     int     `json:"callers"`
	VersusPlain float64 `json:"holdfast_rate_over_plain_rate"`
	Slowdown    float64 `json:"holdfast_rate_at_0_over_rate_here"`
}

func newReport(name string) *report {
	return &report{Name: name, At: time.Now().UTC(), Cores: runtime.NumCPU(), Go: runtime.Version()}
}

// add keeps the longest run of each row: the benchmark driver calls several times with growing b.N.
func (r *report) add(row result) {
	for i, known := range r.Results {
		if known.Side == row.Side && known.Spends == row.Spends && known.Callers == row.Callers {
			r.Results[i] = row
			return
		}
	}
	r.Results = append(r.Results, row)
}

func (r *report) rate(side string, spends, callers int) float64 {
	for _, row := range r.Results {
		if row.Side == side && row.Spends == spends && row.Callers == callers {
			return row.PerSecond
		}
	}
	return 0
}

// print shows the table also when the benchmark is not verbose.
func (r *report) print() {
	line := func(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }
	line("%10s %8s %16s %14s %12s %20s", "spends", "callers", "holdfast ops/s", "plain ops/s", "ratio", "slower than at 0")
	r.Ratios = nil
	for _, row := range r.Results {
		if row.Side != "holdfast" {
			continue
		}
		plain := r.rate("plain", row.Spends, row.Callers)
		at0 := r.rate("holdfast", 0, row.Callers)
		if plain == 0 || at0 == 0 {
			continue // a part of the table was filtered out by -bench
		}
		q := ratio{Spends: row.Spends, Callers: row.Callers, VersusPlain: row.PerSecond / plain, Slowdown: at0 / row.PerSecond}
		r.Ratios = append(r.Ratios, q)
		line("%10d %8d %16.0f %14.1f %11.1fx %19.2fx", row.Spends, row.Callers, row.PerSecond, plain, q.VersusPlain, q.Slowdown)
	}
}

func (r *report) write(b *testing.B) {
	b.Helper()
	writeJSON(b, r.Name, r)
}

// writeJSON keeps a report under results/.
func writeJSON(b *testing.B, name string, report any) {
	b.Helper()
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll("results", 0o755); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join("results", name+".json")
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(os.Stdout, "written to bench/%s\n", path)
}
