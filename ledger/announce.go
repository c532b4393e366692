package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast-pay/holdfast/payment"
)

// Topic is what a change is about: a wallet, or an invoice of ours.
type Topic string

// AnyTopic is for who wants to hear of every change.
const AnyTopic Topic = ""

// WalletTopic is about everything in a wallet's history.
func WalletTopic(id payment.WalletID) Topic { return Topic("w" + id.String()) }

// InvoiceTopic is about one invoice of ours.
func InvoiceTopic(hash payment.Hash) Topic { return Topic("i" + hash.String()) }

const channel = "holdfast_changes"

// announcer tells other processes what has changed, after it is durable: hints, which may be lost. It does so apart from
// the transactions that move money, since NOTIFY takes a lock that all commits of the database share until they are on disk;
// alone and without waiting for the disk it holds it for microseconds.
type announcer struct {
	pool  *pgxpool.Pool
	queue chan []Topic
	once  sync.Once
	quit  chan struct{}
	ended chan struct{}
}

func newAnnouncer(pool *pgxpool.Pool) *announcer {
	const waiting = 256
	a := &announcer{pool: pool, queue: make(chan []Topic, waiting), quit: make(chan struct{}), ended: make(chan struct{})}
	go a.run()
	return a
}

// tell never waits: when the queue is full the hint is lost, and those whom it concerns will look by themselves.
func (a *announcer) tell(topics ...Topic) {
	select {
	case a.queue <- topics:
	default:
	}
}

// stop tells what is in the queue, and ends. It may be called again.
func (a *announcer) stop() {
	a.once.Do(func() { close(a.quit) })
	<-a.ended
}

func (a *announcer) run() {
	defer close(a.ended)
	for {
		select {
		case topics := <-a.queue:
			a.send(append(topics, a.queued()...))
		case <-a.quit:
			if rest := a.queued(); len(rest) > 0 {
				a.send(rest)
			}
			return
		}
	}
}

// queued takes what has come meanwhile.
func (a *announcer) queued() (topics []Topic) {
	for {
		select {
		case more := <-a.queue:
			topics = append(topics, more...)
		default:
			return topics
		}
	}
}

func (a *announcer) send(topics []Topic) {
	const notify = `SELECT pg_notify($1, topic)
		FROM (SELECT set_config('synchronous_commit', 'off', true)) AS at_once, unnest($2::text[]) AS topic`
	texts := make([]string, len(topics))
	for i, topic := range topics {
		texts[i] = string(topic)
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _ = a.pool.Exec(ctx, notify, channel, texts) // a hint: what is lost is found by looking
}

// announcePayment tells what a payment's change is about.
func (l *Ledger) announcePayment(p Payment) {
	topics := []Topic{WalletTopic(p.WalletID)}
	if p.RecipientID != uuid.Nil && p.State == payment.Settled {
		topics = append(topics, WalletTopic(p.RecipientID))
		if !p.PaymentHash.IsZero() {
			topics = append(topics, InvoiceTopic(p.PaymentHash))
		}
	}
	l.news.tell(topics...)
}

// announceInvoice tells that an invoice was paid or closed.
func (l *Ledger) announceInvoice(ctx context.Context, hash payment.Hash) {
	if invoice, err := l.Invoice(ctx, hash); err == nil {
		l.news.tell(InvoiceTopic(hash), WalletTopic(invoice.WalletID))
	}
}

// announceDeposit tells that an address of ours has received.
func (l *Ledger) announceDeposit(ctx context.Context, address string) {
	if owner, err := l.AddressOwner(ctx, address); err == nil {
		l.news.tell(WalletTopic(owner.WalletID))
	}
}
