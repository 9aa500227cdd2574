package device

import "testing"

func TestDTypeIsTheDevicesFastest(t *testing.T) {
	for _, c := range []struct {
		name    string
		hasBF16 bool
		want    string
	}{
		{XLACPU, true, "bf16"},
		{XLACPU, false, "f32"},
		{XLACUDA, false, "bf16"},
		{Go, true, "f32"}, // the Go backend converts every product
	} {
		if got := dtypeFor(c.name, c.hasBF16); got != c.want {
			t.Errorf("%s on a processor with bfloat16 %v: %s, want %s", c.name, c.hasBF16, got, c.want)
		}
	}
}
