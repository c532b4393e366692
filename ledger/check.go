package ledger

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
)

// One query per rule. The first line names it and says what is compared; every row is one thing that was compared.
//
//go:embed checks/*.sql
var checks embed.FS

// Check runs one query per rule over everything in the ledger, a result each. Each query sees one moment, so it may run
// while payments go on. An error means that the checks could not be run, not that one failed.
func (l *Ledger) Check(ctx context.Context) ([]CheckResult, error) {
	names, err := fs.Glob(checks, "checks/*.sql")
	if err != nil {
		return nil, err
	}
	var results []CheckResult
	for _, name := range names {
		text, err := checks.ReadFile(name)
		if err != nil {
			return nil, err
		}
		result, err := l.check(ctx, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		results = append(results, result)
	}
	return results, nil
}

func (l *Ledger) check(ctx context.Context, text string) (CheckResult, error) {
	title, query, _ := strings.Cut(strings.TrimPrefix(text, "-- "), "\n")
	name, what, _ := strings.Cut(title, ": ")
	result := CheckResult{Name: name}
	err := pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = '15min'"); err != nil {
			return err
		}
		var compared, wrong int64
		var first []string
		err := tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE ok IS NOT TRUE), coalesce((array_agg(item) FILTER (WHERE ok IS NOT TRUE))[1:5], '{}')
			FROM (`+query+`) AS compared`).Scan(&compared, &wrong, &first)
		result.OK = wrong == 0
		result.Detail = fmt.Sprintf("%s (%d compared)", what, compared)
		if wrong > 0 {
			result.Detail = fmt.Sprintf("%d of %d are wrong: %s", wrong, compared, strings.Join(first, ", "))
		}
		return err
	})
	return result, coded(err)
}
