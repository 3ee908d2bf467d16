"""What settling a submission rests on.

billing         what the balance says            task_owner     which intent a task belongs to
restoration     a record that can be read again  brought_video  the video that a person brings in
"""
