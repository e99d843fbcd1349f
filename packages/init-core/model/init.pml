/* A model of the init and of the part of the kernel it stands on, for the SPIN model checker: it looks at every order in
   which signals, deaths and the init's own steps can follow one another, and so at every window of the start.

   One process for each party. Init and the first part of Main are the program, a step a system call, each step named
   by the function of ../src that makes it, as "src: FUNCTION". The rest of Main is the command, which acts on what it
   gets; Environment sends signals and lets the command and other processes be born, lose their parent, stop and die, at
   every moment. The inline definitions are the kernel, as signal(7), wait(2), vfork(2), kill(2) and pid_namespaces(7)
   describe it.

   What must hold:
     assertions  nothing is sent to the command's pid once it was reaped; the init ends only after the command, with
                 its status; the command inherits SIGCHLD's action as the init did; no signal is acted on by the code
                 that the child runs before the command; queued signals come in order, with their values;
     delivered   a signal sent to the init after its first system call is acted on by the command, or the command ends;
     reaped      no child of the init stays a zombie for ever;
     ends        when the command has ended, so does the init;
     and no deadlock.

   With one of the names below defined the program is wrong, and the checker has to find it: test/init/model.test.ts
   holds the list, and what each must break. What the model leaves out is said in ARCHITECTURE.md.

     BLOCK_SECOND         another system call comes before the one that blocks the signals
     MASK_OPENS           the mask is opened between two waits, as for handlers
     FORK                 the init goes on while the child still runs the init's code
     LEFT_OVER_HANDLER    with FORK: the child has the init's handlers until it executes the command
     EXEC_UNMASKS         with FORK: nothing can be acted on too early; what is left is a group that is not there yet
     NO_FALLBACK          what cannot be sent to the group is not sent to the command alone
     MASK_FIRST           the child restores the mask before it takes the terminal
     MASK_KEPT            the child does not restore the mask
     CHILDREN_IGNORED     SIGCHLD, inherited as ignored, stays so in the init
     NOT_IGNORED_AGAIN    ... and is not ignored again for the command
     NO_FIRST_REAP        the init does not look for dead children before it has one of its own
     ONE_WAIT             one child is collected for each SIGCHLD
     REAP_ONCE            only the first SIGCHLD is answered
     TAKEN_LATE           the SIGCHLD is taken after the children were collected, not before
     MAIN_NOT_AWAITED     the loop collects every child but the command
     ANY_CHILD_ENDS       any child's end ends the init
     LAST_STATUS          the status is the one that was collected last
     SENT_TO_REAPED       signals are forwarded although the command was reaped
     EXIT_ON_ERROR        an interrupted wait ends the init
     NOT_QUEUED           queued signals are taken all at once
     NO_VALUE             queued signals are forwarded by kill(2)
     NOT_WOKEN            TERM to a stopped command is not followed by CONT */

#ifndef SIGNALS
#define SIGNALS 2 /* how many signals the environment sends */
#endif
#ifndef OTHERS
#define OTHERS 2 /* how many processes there are beside the init and the command: up to 2 */
#endif

mtype:signal = { NO_SIGNAL, TERM, CHLD, CONT, TSTP, REALTIME };
mtype:life = { UNBORN, BORROWED, COMMAND, LIVING, ZOMBIE, GONE };
mtype:group = { IF_LEADER, ALWAYS, NEVER };

/* Chosen before everything else: the options, and what the init inherits. */
mtype:group group;
bool grace, inherited_ignored;

/* The kernel's view of the init. Its actions are the default ones: PID 1 is spared them, what is not blocked is
   discarded. */
bool blocked, chld_ignored;
bool p_term, p_chld, p_cont, p_tstp;
chan p_realtime = [SIGNALS] of { byte };
bool out; /* it has ended, and so has everything else */

/* The kernel's view of the main child. */
mtype:life main = UNBORN;
bool m_blocked, m_chld_ignored, m_handler, m_term, m_tstp, stopped;
chan m_realtime = [SIGNALS] of { byte };
bool leads;       /* it leads a process group */
bool left_behind; /* others are in that group */
byte m_code;

/* The others. */
mtype:life other[2] = UNBORN;
bool of_init[2]; /* the parent is the init; else the command, or a descendant of it */

mtype:signal number = NO_SIGNAL; /* what the init has taken and not dealt with yet */

/* What the properties look at. */
bool started; /* the init has made its first system call */
bool owed_term, owed_cont, owed_tstp;
byte sent, got; /* queued signals: sent to the init, acted on by the command; their values count from 1 */
bool sent_to_reaped;
bool value_refused; /* the kernel did not take a value, or a group that the command had left got it */

#define MAIN_ENDED (main == ZOMBIE || main == GONE)
#define OWED (owed_term || owed_cont || (owed_tstp && !stopped) || got + stopped * len(m_realtime) < sent)
#define IS_ZOMBIE(i) (other[i] == ZOMBIE && of_init[i])
#define ANY_ZOMBIE (main == ZOMBIE || IS_ZOMBIE(0) || IS_ZOMBIE(1))
#define IS_CHILD(i) ((other[i] == LIVING || other[i] == ZOMBIE) && of_init[i])

ltl delivered { [] (OWED -> <> (!OWED || MAIN_ENDED || out)) }
ltl reaped { [] (ANY_ZOMBIE -> <> (!ANY_ZOMBIE || out)) }
ltl ends { [] (MAIN_ENDED -> <> out) }

#define SUCCESS 0
#define REFUSED 1 /* such as ESRCH */
#define NOTHING_PENDING (!p_term && !p_cont && !p_tstp && !p_chld && empty(p_realtime))

/* ---- The kernel. Used inside d_step or atomic: what it does, it does at once. ---- */

/* A signal for the init. A stop signal discards a pending CONT, and the reverse. */
inline to_init(signal)
{
	if
	:: !blocked -> skip
	:: blocked && signal == TERM -> p_term = true
	:: blocked && signal == CHLD -> p_chld = true
	:: blocked && signal == CONT ->
		p_cont = true;
		p_tstp = false;
		owed_tstp = owed_tstp && (m_tstp || number == TSTP)
	:: blocked && signal == TSTP ->
		p_tstp = true;
		p_cont = false;
		owed_cont = owed_cont && number == CONT
	fi
}

/* A child of the init has died, or a dead process has become its child. */
inline tell_init(life)
{
	if
	:: chld_ignored -> life = GONE
	:: else -> to_init(CHLD)
	fi
}

inline adopt(i)
{
	if
	:: other[i] == ZOMBIE && !of_init[i] ->
		of_init[i] = true;
		tell_init(other[i])
	:: else -> of_init[i] = true
	fi
}

inline die(i)
{
	other[i] = ZOMBIE;
	if
	:: of_init[i] -> tell_init(other[i])
	:: else -> skip
	fi
}

/* Its descendants become the init's children, the dead ones too. Nothing is owed to it any more. */
inline main_dies(code)
{
	main = ZOMBIE;
	m_code = code;
	stopped = false;
	m_term = false;
	m_tstp = false;
	leads = true;
	left_behind = false;
	owed_term = false;
	owed_cont = false;
	owed_tstp = false;
	sent = 0;
	got = 0;
	do
	:: len(m_realtime) > 0 -> m_realtime ? _
	:: else -> break
	od;
	adopt(0);
	adopt(1);
	tell_init(main)
}

inline main_stops()
{
	stopped = true;
	to_init(CHLD)
}

/* A signal for the main child, wherever it is. CONT continues a process at once, and discards stop signals. */
inline kill_main(signal)
{
	result = SUCCESS;
	if
	:: main == ZOMBIE -> skip
	:: main == GONE -> sent_to_reaped = true
	:: else ->
		if
		:: signal == TERM -> m_term = true
		:: signal == TSTP -> m_tstp = true
		:: signal == REALTIME -> m_realtime ! value
		:: signal == CONT ->
			m_tstp = false;
			owed_tstp = owed_tstp && p_tstp;
			owed_cont = p_cont;
			stopped = false
		fi
	fi
}

/* A group that the command has left, but others have not, is asked for and gets the signal: nothing is owed then. */
inline kill_group(signal)
{
	if
	:: main == GONE || leads -> kill_main(signal)
	:: main != GONE && !leads && !left_behind -> result = REFUSED /* ESRCH */
	:: main != GONE && !leads && left_behind ->
		result = SUCCESS;
		if
		:: signal == TERM -> owed_term = p_term || m_term
		:: signal == TSTP -> owed_tstp = p_tstp || m_tstp
		:: signal == CONT ->
			owed_cont = p_cont;
			owed_term = owed_term && p_term
		:: signal == REALTIME ->
			got++;
			value_refused = true
		fi
	fi
}

inline kill_everything_with_term()
{
	if
	:: main == BORROWED || main == COMMAND ->
		m_term = true;
		m_tstp = false;
		owed_tstp = owed_tstp && p_tstp;
		owed_cont = p_cont;
		stopped = false
	:: else -> skip
	fi
}

inline kill_everything()
{
	if
	:: main == BORROWED || main == COMMAND -> main_dies(137)
	:: else -> skip
	fi;
	if
	:: other[0] == LIVING -> die(0)
	:: else -> skip
	fi;
	if
	:: other[1] == LIVING -> die(1)
	:: else -> skip
	fi
}

/* ---- The program ---- */

/* src: leads_group, src: pass_on_value, src: pass_on, src: send; and for what src: is_plain finds, the first three alone. */
inline send(signal)
{
	d_step {
		/* getpgid(2) */
		to_group = group == ALWAYS || (group == IF_LEADER && leads);
		result = REFUSED
	}
#ifndef NO_VALUE
	/* By pidfd_send_signal(2) or rt_sigqueueinfo(2), which may be refused: by an old kernel, or for a full queue. */
	if
	:: signal == REALTIME && to_group -> d_step { kill_group(REALTIME) }
	:: signal == REALTIME && to_group -> value_refused = true
	:: else -> skip
	fi;
	if
	:: signal == REALTIME && result == REFUSED -> d_step { kill_main(REALTIME) }
	:: signal == REALTIME && result == REFUSED ->
		d_step {
			value_refused = true;
			value = 0
		}
	:: else -> skip
	fi;
#else
	value = 0;
#endif
	if
	:: result == REFUSED && to_group -> d_step { kill_group(signal) }
	:: else -> skip
	fi;
	if
#ifdef NO_FALLBACK
	:: result == REFUSED && !to_group -> d_step { kill_main(signal) }
#else
	:: result == REFUSED -> d_step { kill_main(signal) }
#endif
	:: else -> skip
	fi;
	stop_sent = (signal == TSTP || stop_sent) && signal != CONT
}

/* src: wake_if_stopped: waitid(2) tells without collecting. */
inline wake_if_stopped()
{
#ifndef NOT_WOKEN
	if
	:: stop_sent || stopped -> send(CONT)
	:: else -> skip
	fi
#else
	skip
#endif
}

/* src: terminate_everything */
inline terminate_everything()
{
	d_step {
		told = true;
		in_grace = true;
		kill_everything_with_term()
	}
}

/* src: receive, src: stop, src: forward */
inline receive()
{
	if
#ifndef SENT_TO_REAPED
	:: ended -> skip
	:: !ended && number == TERM && grace && !in_grace -> terminate_everything()
	:: !ended && !(number == TERM && grace && !in_grace) ->
#else
	:: true ->
#endif
		send(number);
		if
		:: number == TERM -> wake_if_stopped()
		:: else -> skip
		fi
	fi
}

/* src: reap: each round is one wait4(2) that does not block; which of the dead it gives is left open. */
inline reap()
{
	do
	:: atomic {
			if
#ifndef MAIN_NOT_AWAITED
			:: main == ZOMBIE ->
				main = GONE;
				status = m_code;
				ended = true;
				more = grace
#endif
			:: IS_ZOMBIE(0) ->
				other[0] = GONE;
				collect_other()
			:: IS_ZOMBIE(1) ->
				other[1] = GONE;
				collect_other()
			:: else ->
				more = false;
				childless = main == GONE && !IS_CHILD(0) && !IS_CHILD(1)
			fi;
#ifdef ONE_WAIT
			more = false;
#endif
			if
			:: more -> skip
			:: !more -> break
			fi
		}
	od
}

inline collect_other()
{
	more = true;
#ifdef LAST_STATUS
	status = 7;
#endif
#ifdef ANY_CHILD_ENDS
	ended = true;
	more = false
#endif
}

/* src: may_end: what it does before it answers. */
inline send_last_term()
{
	if
	:: ended && grace && !childless && !told -> terminate_everything()
	:: else -> skip
	fi
}

#define MAY_END (ended && (!grace || childless || killed))

inline drop_pending()
{
	p_term = false;
	p_cont = false;
	p_tstp = false;
	p_chld = false;
	do
	:: len(p_realtime) > 0 -> p_realtime ? _
	:: else -> break
	od
}

inline pass_deadline()
{
	d_step {
		killed = true;
		kill_everything()
	}
}

/* src: next_signal: rt_sigtimedwait(2). Which of several comes first is left open. */
inline next_signal()
{
	if
	:: p_term ->
		p_term = false;
		number = TERM
	:: p_cont ->
		p_cont = false;
		number = CONT
	:: p_tstp ->
		p_tstp = false;
		number = TSTP
	:: p_realtime ? value ->
		number = REALTIME;
#ifdef NOT_QUEUED
		do
		:: len(p_realtime) > 0 -> p_realtime ? _
		:: else -> break
		od
#endif
	:: p_chld ->
		number = CHLD;
#ifndef TAKEN_LATE
		p_chld = false
#endif
	/* Interrupted, as by STOP and CONT. The deadline stays where it is. */
	:: NOTHING_PENDING && !in_grace ->
#ifdef EXIT_ON_ERROR
		ended = true;
#endif
		number = NO_SIGNAL
	/* The deadline, which ends the wait. */
	:: NOTHING_PENDING && in_grace && !killed ->
		number = NO_SIGNAL;
		pass_deadline()
	fi
}

/* src: start */
active proctype Init()
{
	/* Its own state: see ../src/supervise.h. */
	bool ended, childless, stop_sent, told, killed, in_grace;
	byte status;
	/* For one step or one variant. */
	byte value, result;
	bool to_group, more, first = true;

	/* The options, and what was there before: SIGCHLD ignored or not, a child that lives, or one that is dead. */
	atomic {
		if
		:: group = IF_LEADER
		:: group = ALWAYS
		:: group = NEVER
		fi;
		if
		:: grace = true
		:: skip
		fi;
		if
		:: inherited_ignored = true
		:: skip
		fi;
		chld_ignored = inherited_ignored;
		if
		:: skip
#if OTHERS > 0
		:: other[0] = LIVING; of_init[0] = true
		:: other[0] = ZOMBIE; of_init[0] = true
#endif
		fi
	}

#ifdef BLOCK_SECOND
	started = true;
#endif
	/* src: start: rt_sigprocmask(2) */
	d_step {
		blocked = true;
		started = true
	}
	/* src: options_parse makes no system call. */

	/* src: stop_ignoring_children. Setting the default action, which is to ignore, discards what is pending. */
#ifndef CHILDREN_IGNORED
	d_step {
		chld_ignored = false;
		p_chld = false
	}
#endif

	/* src: reap_predecessors: for those whose SIGCHLD was discarded; a death from here on makes another. */
#ifndef NO_FIRST_REAP
	reap();
#endif

	/* src: spawn, which may be refused */
	atomic {
		if
		:: goto over
		:: main = BORROWED;
			m_blocked = blocked;
			m_chld_ignored = chld_ignored;
#ifdef LEFT_OVER_HANDLER
			m_handler = true;
#endif
			run Main()
		fi
	}
#ifndef FORK
	/* CLONE_VFORK: until the child has executed the command or ended. */
	main != BORROWED;
#endif
	/* src: let_go makes system calls that concern nobody else. */

	/* src: supervise */
	do
	:: send_last_term();
		if
		:: MAY_END -> break
		:: else -> skip
		fi;
		/* src: pass_deadline: it may be over although signals are waiting. */
		if
		:: in_grace && !killed -> pass_deadline()
		:: skip
		fi;
#ifdef MASK_OPENS
		d_step { drop_pending() };
#endif
end_waiting:
		atomic { next_signal() }
		if
#ifdef REAP_ONCE
		:: number == CHLD && !first -> skip
		:: number == CHLD && first ->
			first = false;
#else
		:: number == CHLD ->
#endif
			reap();
#ifdef TAKEN_LATE
			p_chld = false
#endif
		:: number == NO_SIGNAL -> skip
		:: else -> receive()
		fi;
		assert(!sent_to_reaped);
		d_step {
			number = NO_SIGNAL;
			value = 0;
			result = 0;
			to_group = false;
			more = false
		}
	od;
	/* src: exit_code */
	assert(main == GONE);
	assert(status == m_code);
over:
	out = true
}

/* A signal that reaches the child before it is the command: the init's code would act on it. */
inline act_early()
{
	if
	:: m_blocked || !(m_term || m_tstp || len(m_realtime) > 0) -> skip
	:: else ->
		/* A handler takes it; the default action is the end. */
		assert(m_handler);
		m_term = false;
		m_tstp = false;
		do
		:: len(m_realtime) > 0 -> m_realtime ? _
		:: else -> break
		od
	fi
}

#define RUNNING (main == COMMAND && !out && !stopped)

proctype Main()
{
	byte value;

	/* src: run_child: setsid(2) or setpgid(2) */
	leads = true;
#ifdef MASK_FIRST
	m_blocked = false;
#endif
	/* src: take_foreground. Unless SIGTTOU is blocked, the terminal stops a process of a background group for it. */
	atomic {
		if
		:: !m_blocked -> main_stops()
		:: skip /* no terminal */
		fi
	}
	/* src: run_child: rt_sigaction(2) */
	atomic {
		!stopped;
#ifndef NOT_IGNORED_AGAIN
		m_chld_ignored = inherited_ignored
#endif
	}
	/* src: run_child: rt_sigprocmask(2) */
#ifndef MASK_KEPT
#ifndef EXEC_UNMASKS
	atomic {
		m_blocked = false;
		act_early()
	}
#endif
#endif
	/* src: attempt: execve(2). What is pending stays so, and so do the mask and what is ignored. */
	atomic {
		act_early();
		assert(m_chld_ignored == inherited_ignored);
		m_chld_ignored = false;
		inherited_ignored = false;
		m_handler = false;
#ifdef EXEC_UNMASKS
		m_blocked = false;
#endif
		if
		:: main == BORROWED -> main = COMMAND
		:: d_step { main == BORROWED -> main_dies(127) }
		:: else -> skip /* killed before that, which needs FORK */
		fi
	}

	/* From here on it is the command. What it must do is here; what it may do is with the rest in Environment. */
end_idle:
	do
	:: atomic { RUNNING && !m_blocked && m_term ->
			m_term = false;
			owed_term = false;
			if
			:: skip /* a handler */
			:: d_step { main_dies(143) }
			fi
		}
	/* Linux takes the pending standard signal with the lowest number first: TERM before TSTP. */
	:: d_step { RUNNING && !m_blocked && m_tstp && !m_term ->
			m_tstp = false;
			owed_tstp = p_tstp || number == TSTP;
			main_stops()
		}
	:: atomic { RUNNING && !m_blocked && len(m_realtime) > 0 ->
			m_realtime ? value;
			got++;
			assert(value == got || value_refused);
			value = 0
		}
	:: MAIN_ENDED || out -> break
	od
}

/* What may happen, and need not: at any time it may be enough. A process that had the choice would be made to take it
   one day by the fairness that the properties are checked with. */
active proctype Environment()
{
	byte signals = SIGNALS, stops = 1;

	do
	/* Signals to the init. */
	:: atomic { !out && signals > 0 ->
			signals--;
			if
			:: d_step {
					to_init(TERM);
					owed_term = owed_term || (started && !MAIN_ENDED)
				}
			:: d_step {
					to_init(TSTP);
					owed_tstp = owed_tstp || (started && !MAIN_ENDED)
				}
			:: d_step {
					to_init(CONT);
					owed_cont = owed_cont || (started && !MAIN_ENDED)
				}
			:: d_step { to_init(CHLD) }
			:: d_step {
					if
					:: started && !MAIN_ENDED -> sent++
					:: else -> skip
					fi;
					if
					:: blocked -> p_realtime ! sent
					:: else -> skip
					fi
				}
			fi
		}
	/* A descendant of the command is born, */
#if OTHERS > 0
	:: d_step { !out && main == COMMAND && other[0] == UNBORN -> other[0] = LIVING }
#endif
#if OTHERS > 1
	:: d_step { !out && main == COMMAND && other[0] != UNBORN && other[1] == UNBORN -> other[1] = LIVING }
#endif
	/* becomes an orphan, alive or dead, */
	:: d_step { !out && other[0] == LIVING && !of_init[0] -> of_init[0] = true }
	:: d_step { !out && other[1] == LIVING && !of_init[1] -> of_init[1] = true }
	:: d_step { !out && other[0] == ZOMBIE && !of_init[0] -> adopt(0) }
	:: d_step { !out && other[1] == ZOMBIE && !of_init[1] -> adopt(1) }
	/* dies, */
	:: d_step { !out && other[0] == LIVING -> die(0) }
	:: d_step { !out && other[1] == LIVING -> die(1) }
	/* is collected by its own parent. */
	:: d_step { !out && other[0] == ZOMBIE && !of_init[0] -> other[0] = GONE; of_init[0] = true }
	:: d_step { !out && other[1] == ZOMBIE && !of_init[1] -> other[1] = GONE; of_init[1] = true }
	/* The command ends by itself, */
	:: d_step { RUNNING -> main_dies(3) }
	/* stops itself, */
	:: d_step { RUNNING && stops > 0 && !m_term ->
			stops--;
			main_stops()
		}
	/* moves to another group, and leaves others behind in its own or not. */
	:: d_step { RUNNING && leads -> leads = false }
	:: d_step { RUNNING && leads ->
			leads = false;
			left_behind = true
		}
	/* Enough: the rest of what could happen never does. */
	:: break
	od
}
