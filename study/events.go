package study

// Event reports the progress of a study. Work is counted in units of one scored sample; a trained one counts as trainCost.
type Event struct {
	// Text is a finished fact for the log, or empty.
	Text string
	// Task is what is being done now, and Done of Total samples of it are done.
	Task        string
	Done, Total int
	// Work of TotalWork is done in the whole study; Reused of it was found finished and took no time.
	Work, TotalWork, Reused float64
}

// trainCost is what training on a sample costs, in scored samples: forward and backward, measured at 3 to 4.
const trainCost = 3.5

// meter keeps account of the work of a study.
type meter struct {
	tell          func(Event)
	plan          map[string]float64
	total         float64
	done, reused  float64
	task          string
	taskWork      float64
	taskN, taskOf int
}

func newMeter(tell func(Event)) *meter {
	return &meter{tell: tell, plan: map[string]float64{}}
}

// expect adds work to the plan once for each name.
func (m *meter) expect(name string, work float64) {
	if _, ok := m.plan[name]; !ok {
		m.plan[name] = work
		m.total += work
	}
}

// begin starts the task of that planned name.
func (m *meter) begin(name, task string, of int) {
	m.task, m.taskWork, m.taskN, m.taskOf = task, m.plan[name], 0, of
	m.send("")
}

// progress says how far the current task is.
func (m *meter) progress(done, of int) {
	m.taskN, m.taskOf = done, of
	m.send("")
}

// end credits the work of a planned name. Ending it again does nothing.
func (m *meter) end(name string, reused bool, text string) {
	work := m.plan[name]
	m.plan[name] = 0
	m.done += work
	if reused {
		m.reused += work
	}
	m.task, m.taskWork, m.taskN, m.taskOf = "", 0, 0, 0
	m.send(text)
}

func (m *meter) say(text string) { m.send(text) }

func (m *meter) send(text string) {
	if m.tell == nil {
		return
	}
	e := Event{Text: text, Task: m.task, Done: m.taskN, Total: m.taskOf, Work: m.done, TotalWork: m.total, Reused: m.reused}
	if m.taskOf > 0 {
		e.Work += m.taskWork * float64(min(m.taskN, m.taskOf)) / float64(m.taskOf)
	}
	m.tell(e)
}
