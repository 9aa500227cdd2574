package device

import "golang.org/x/sys/cpu"

// DType is the data type, "bf16" or "f32", in which a device of the given name multiplies fastest. A processor without bfloat16
// instructions emulates them, at less than half the speed of float32. What is asked is what the processor has, never how
// fast it was: the same machine always gives the same answer, and with it the same bits.
func DType(name string) string {
	return dtypeFor(name, cpu.X86.HasAVX512BF16 || cpu.X86.HasAMXBF16)
}

func dtypeFor(name string, processorHasBF16 bool) string {
	if name == XLACUDA || (name == XLACPU && processorHasBF16) {
		return "bf16"
	}
	return "f32"
}
