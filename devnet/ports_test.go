package devnet_test

import (
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
)

// A port that cannot be is not called taken.
func TestBasePortOutOfRange(t *testing.T) {
	for _, port := range []int{70_000, 65_517, -5, 80, 1023} {
		_, err := devnet.Start(t.Context(), devnet.Config{Dir: devnettest.Dir(t), BasePort: port})
		if err == nil || !strings.Contains(err.Error(), "1024 to 65516") || strings.Contains(err.Error(), "in use") {
			t.Errorf("%d: %v", port, err)
		}
	}
	for _, port := range []int{0, 1024, 65_516} {
		if err := devnet.CheckBasePort(port); err != nil {
			t.Errorf("%d: %v", port, err)
		}
	}
}
