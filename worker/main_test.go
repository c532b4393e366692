package worker_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
)

func TestMain(m *testing.M) { ledgertest.Main(m) }
