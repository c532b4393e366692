package ledger

import (
	"context"

	"github.com/holdfast-pay/holdfast/payment"
)

// minServerVersion is the oldest Postgres with all that the migrations use, as server_version_num counts.
const minServerVersion = 150000

// serverFacts is what Postgres says of itself. Its settings may come from the server, the database, the role or the URL.
type serverFacts struct {
	version   int  // server_version_num: 150004 is 15.4
	fsync     bool // what is committed survives a crash of the machine
	throwAway bool // holdfast.throw_away = on: whoever switched fsync off says that nothing here is to be kept
}

const askServer = `SELECT current_setting('server_version_num')::integer, current_setting('fsync') = 'on',
	coalesce(current_setting('holdfast.throw_away', true), '') = 'on'`

// refused says why the ledger does not work with such a server, nil where it does. Its text is for operators.
func (s serverFacts) refused() error {
	if err := tooOld(s.version); err != nil {
		return err
	}
	if !s.fsync && !s.throwAway {
		return payment.Errorf(payment.ReasonUnavailable, "Postgres runs with fsync = off: a crash of the machine would lose payments that were acknowledged. "+
			"Set fsync = on; for tests alone, set holdfast.throw_away = on beside it.")
	}
	return nil
}

func tooOld(version int) error {
	if version >= minServerVersion {
		return nil
	}
	return payment.Errorf(payment.ReasonUnavailable, "The ledger needs Postgres %d or newer, and this server is version %d.%d. Upgrade it.",
		minServerVersion/10000, version/10000, version%10000)
}

// fit asks the server whether the ledger may work with it.
func (l *Ledger) fit(ctx context.Context) error {
	var facts serverFacts
	if err := l.pool.QueryRow(ctx, askServer).Scan(&facts.version, &facts.fsync, &facts.throwAway); err != nil {
		return coded(err)
	}
	return facts.refused()
}
